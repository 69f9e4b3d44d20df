#include "socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "callback.h"
#include "descriptors.h"
#include "own_sockets.h"
#include "shim/kernel/memfd.h"
#include "shim/kernel/packet.h"
#include "shim/wire/protocol.h"
#include "system_error.h"

namespace nacelle {
namespace {

// How often in a row the kernel may have no memory for a message.
constexpr unsigned kMostRefusals = 1000;

int send_now(int socket, const std::string& bytes, const std::vector<int>& fds) {
  return send_packet<kMaxDescriptors>(socket, bytes.data(), bytes.size(), fds.data(), fds.size(), MSG_DONTWAIT);
}

// Whether the kernel has kept nothing of a message, and takes it later.
bool is_refused_now(int result) { return result == -EAGAIN || result == -ENOMEM || result == -ENOBUFS; }

// Reads a descriptor's number from an array. False when the environment is ending, since nothing can be read then.
bool read_descriptor(napi_env env, napi_value numbers, uint32_t index, int& fd) {
  napi_value number = nullptr;
  return napi_get_element(env, numbers, index, &number) == napi_ok && napi_get_value_int32(env, number, &fd) == napi_ok;
}

// What a body is said to be, and what came: nothing that a peer says makes room for more.
bool is_whole(const Header& header, size_t size, const std::vector<unique_fd>& fds) {
  if ((header.flags & kBodyInMemfd) == 0) return header.size == size;
  struct stat status {};
  return !fds.empty() && header.size <= kMaxBody && fstat(fds[0].get(), &status) == 0 && status.st_size == static_cast<off_t>(header.size);
}

}  // namespace

Napi::Function Socket::Define(Napi::Env env) {
  return DefineClass(env, "Socket",
                     {
                         InstanceMethod<&Socket::Send>("send"),
                         InstanceMethod<&Socket::GoOn>("goOn"),
                         InstanceMethod<&Socket::Ref>("ref"),
                         InstanceMethod<&Socket::Unref>("unref"),
                         InstanceMethod<&Socket::Close>("close"),
                         InstanceAccessor<&Socket::Owner>("owner"),
                         InstanceAccessor<&Socket::Pid>("pid"),
                     });
}

Socket::Socket(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Socket>(info) {
  if (IsEmpty()) return;  // the environment is ending: nothing would ever free it
  const Napi::Env env = info.Env();
  const Napi::Object options = info[0].As<Napi::Object>();
  std::string what;
  const int result = Connect(options, what);
  if (result == -ECANCELED) return;
  if (result < 0) {
    throw_error(env, what, result);
    return;
  }
  on_message_ = Napi::Persistent(info[1].As<Napi::Function>());
  on_close_ = Napi::Persistent(info[2].As<Napi::Function>());
  if (mapped_.control) note_own_socket(mapped_.control.get());
  if (fd_) Listen();
}

void Socket::Listen() {
  note_own_socket(fd_.get());
  const int result = poll_.open(Env(), fd_.get(), [this](int events) { OnReady(events); });
  if (result < 0) return throw_error(Env(), "watch the shim's socket", result);
  Watch();
}

void Socket::GoOn(const Napi::CallbackInfo& info) {
  std::string what;
  // it is closed for good then
  if (mapped_.is_detached) forget_own_socket(mapped_.control.get());
  const int result = go_on_mapped(mapped_, launch_, fd_, what);
  if (result < 0) return throw_error(info.Env(), what, result);
  Listen();
}

// -ECANCELED when the options can't be read: the Worker was terminated just now.
int Socket::Connect(const Napi::Object& options, std::string& what) {
  const auto read = [&options](const char* name, std::string& text) {
    const Napi::Value value = options.Get(name);
    if (value.IsEmpty()) return false;
    if (value.IsString()) text = value.As<Napi::String>().Utf8Value();
    return true;
  };
  std::string detached, folder;
  if (!read("shim", launch_.shim) || !read("runtimeDir", launch_.runtime_dir)) return -ECANCELED;
  if (!read("detached", detached) || !read("folder", folder)) return -ECANCELED;
  const Napi::Value mapped = options.Get("mapped"), joined = options.Get("joined");
  const Napi::Value control = options.Get("control"), connected = options.Get("connected");
  if (mapped.IsEmpty() || joined.IsEmpty() || control.IsEmpty() || connected.IsEmpty()) return -ECANCELED;
  if (connected.IsNumber()) {
    fd_.reset(connected.As<Napi::Number>().Int32Value());
    Descriptors::of(options.Env()).forget(fd_.get());
    return 0;
  }
  if (control.IsNumber())
    return read("owner", owner_) ? connect_by_control(control.As<Napi::Number>().Int32Value(), fd_, what) : -ECANCELED;
  if (!folder.empty()) return connect_to_path(folder, fd_, what);
  if (mapped.IsBoolean()) {
    const int result =
        launch_mapped_shim(launch_, detached, joined.IsNumber() ? joined.As<Napi::Number>().Int32Value() : -1, mapped_, what);
    owner_ = mapped_.owner;
    pid_ = mapped_.pid;
    return result;
  }
  if (detached.empty()) return connect_to_shim(launch_, fd_, what, owner_, pid_);
  owner_ = detached;
  return launch_detached_shim(launch_, detached, fd_, what);
}

Socket::~Socket() { Shut(); }

void Socket::Shut() {
  poll_.close();
  if (fd_) forget_own_socket(fd_.get());
  fd_.reset();
  if (mapped_.control) forget_own_socket(mapped_.control.get());
  mapped_.control.reset();
  unsent_.clear();
  on_message_.Reset();
  on_close_.Reset();
}

void Socket::Watch() { poll_.watch(UV_READABLE | (unsent_.empty() ? 0 : UV_WRITABLE)); }

void Socket::OnReady(int events) {
  const Napi::HandleScope scope(Env());
  if ((events & UV_WRITABLE) != 0) {
    // the sender of a message that got lost would wait for ever, so this ends the connection, which both sides notice
    if (Flush() < 0) shutdown(fd_.get(), SHUT_RDWR);
    Watch();
  }
  // the number of messages is bounded, so that other handles of the loop get their turn
  for (int i = 0; i < 64 && poll_.is_open(); ++i) {
    if (!ReceiveOne()) return;
  }
}

bool Socket::ReceiveOne() {
  static thread_local char buffer[sizeof(Header) + kInlineBody];
  Packet<kMaxDescriptors> packet = receive_packet<kMaxDescriptors>(fd_.get(), buffer, sizeof buffer);
  const ssize_t size = packet.size;
  if (size == -EAGAIN) return false;
  if (size < static_cast<ssize_t>(sizeof(Header))) return Lost();
  // when this process has no room for all descriptors, the rest is lost (MSG_CTRUNC); the reader of the message sees that some are missing
  std::vector<unique_fd> fds(std::make_move_iterator(packet.fds), std::make_move_iterator(packet.fds + packet.count));
  Header header{};
  std::memcpy(&header, buffer, sizeof header);
  if (!is_whole(header, static_cast<size_t>(size) - sizeof header, fds)) return Lost();
  // when no value can be made, the environment is ending: a terminated Worker runs its loop once more
  if (!TellMessage(header, buffer + sizeof header, static_cast<size_t>(size) - sizeof header, fds)) Shut();
  return poll_.is_open();
}

bool Socket::Lost() {
  const Napi::Function closed = on_close_.Value();
  Shut();
  doubt_shim(owner_);
  static_cast<void>(Tell(closed, 0, nullptr));  // an environment that is ending need not hear of it
  return false;
}

// Uses Node-API itself and not its C++ wrapper, see callback.h.
bool Socket::TellMessage(const Header& header, const char* inline_body, size_t size, std::vector<unique_fd>& fds) {
  napi_env env = Env();
  napi_value arguments[4] = {};
  if (napi_create_uint32(env, header.type, &arguments[0]) != napi_ok) return false;
  if (napi_create_uint32(env, header.id, &arguments[1]) != napi_ok) return false;
  if ((header.flags & kBodyInMemfd) != 0) {
    // a long body is in the first descriptor
    void* data = nullptr;
    if (fds.empty() || napi_create_buffer(env, header.size, &data, &arguments[2]) != napi_ok) return false;
    if (read_memfd(fds[0].get(), static_cast<char*>(data), header.size) < 0) return false;
    fds.erase(fds.begin());
  } else if (napi_create_buffer_copy(env, size, inline_body, nullptr, &arguments[2]) != napi_ok) {
    return false;
  }
  if (!hand_over(env, fds, &arguments[3])) return false;
  return Tell(on_message_.Value(), 4, arguments);
}

bool Socket::Tell(napi_value listener, size_t count, const napi_value* arguments) {
  return call_back(Env(), Value(), listener, count, arguments);
}

Napi::Value Socket::Send(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!fd_) return Napi::Number::New(env, -EPIPE);
  const uint32_t type = info[0].As<Napi::Number>().Uint32Value();
  const uint32_t id = info[1].As<Napi::Number>().Uint32Value();
  auto body = info[2].As<Napi::Uint8Array>();
  const Napi::Array numbers = info[3].As<Napi::Array>();
  Header header{kProtocolVersion, static_cast<uint16_t>(type), id, static_cast<uint32_t>(body.ByteLength()), 0};
  iovec parts[2] = {{&header, sizeof header}, {body.Data(), body.ByteLength()}};
  size_t count = 2;
  std::vector<int> fds;
  unique_fd memfd;
  if (body.ByteLength() > kInlineBody) {
    header.flags = kBodyInMemfd;
    const int result = sealed_memfd(reinterpret_cast<const char*>(body.Data()), body.ByteLength(), memfd);
    if (result < 0) return Napi::Number::New(env, result);
    fds.push_back(memfd.get());
    count = 1;
  }
  for (uint32_t i = 0; i < numbers.Length(); ++i) {
    int fd = -1;
    if (!read_descriptor(env, numbers, i, fd)) return Napi::Number::New(env, -ECANCELED);
    fds.push_back(fd);
  }
  if (unsent_.empty()) {
    const int result = send_packet<kMaxDescriptors>(fd_.get(), parts, count, fds.data(), fds.size(), MSG_DONTWAIT);
    if (!is_refused_now(result)) return Napi::Number::New(env, result);
  }
  Outgoing message;
  for (size_t i = 0; i < count; ++i) message.bytes.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  for (const int fd : fds) {
    // duplicated: the caller may close its own before the message has left
    unique_fd copy(fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!copy) return Napi::Number::New(env, -errno);
    message.fds.push_back(std::move(copy));
  }
  unsent_.push_back(std::move(message));
  const int result = unsent_.size() == 1 ? Flush() : 0;
  if (!unsent_.empty()) Watch();
  return Napi::Number::New(env, result);
}

int Socket::Flush() {
  while (!unsent_.empty()) {
    std::vector<int> raw;
    for (const unique_fd& fd : unsent_.front().fds) raw.push_back(fd.get());
    const int result = send_now(fd_.get(), unsent_.front().bytes, raw);
    if (result == -EAGAIN) return 0;
    // a message that got lost might be the one that ends a task: each of the next turns of the loop tries it again
    if (is_refused_now(result) && ++refusals_ < kMostRefusals) return 0;
    refusals_ = 0;
    unsent_.pop_front();
    if (result < 0) return result;
  }
  return 0;
}

void Socket::Ref(const Napi::CallbackInfo&) { poll_.ref(); }

void Socket::Unref(const Napi::CallbackInfo&) { poll_.unref(); }

void Socket::Close(const Napi::CallbackInfo&) { Shut(); }

Napi::Value Socket::Owner(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), owner_); }

Napi::Value Socket::Pid(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), pid_); }

}  // namespace nacelle
