#include "socket.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "launch.h"
#include "shim/protocol.h"

namespace nacelle {
namespace {

union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
};

int send_now(int socket, const std::string& bytes, const std::vector<int>& fds) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  Control control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(int) * fds.size());
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

// A long body goes into a memfd, which becomes the first descriptor.
int make_memfd(const char* data, size_t size, unique_fd& out) {
  unique_fd fd(memfd_create("nacelle", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return -errno;
  for (size_t done = 0; done < size;) {
    const ssize_t count = write(fd.get(), data + done, size - done);
    if (count < 0) return -errno;
    done += static_cast<size_t>(count);
  }
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) return -errno;
  out = std::move(fd);
  return 0;
}

Napi::Value read_memfd(Napi::Env env, int fd, size_t size) {
  Napi::Buffer<char> bytes = Napi::Buffer<char>::New(env, size);
  for (size_t done = 0; done < size;) {
    const ssize_t count = pread(fd, bytes.Data() + done, size - done, static_cast<off_t>(done));
    if (count <= 0) return env.Null();
    done += static_cast<size_t>(count);
  }
  return bytes;
}

}  // namespace

Napi::Function Socket::Define(Napi::Env env) {
  return DefineClass(env, "Socket",
                     {
                         InstanceMethod<&Socket::Send>("send"),
                         InstanceMethod<&Socket::Ref>("ref"),
                         InstanceMethod<&Socket::Unref>("unref"),
                         InstanceMethod<&Socket::Close>("close"),
                         InstanceAccessor<&Socket::Owner>("owner"),
                         InstanceAccessor<&Socket::Pid>("pid"),
                     });
}

Socket::Socket(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Socket>(info) {
  const Napi::Env env = info.Env();
  const Napi::Object options = info[0].As<Napi::Object>();
  Launch launch;
  launch.shim = options.Get("shim").As<Napi::String>().Utf8Value();
  launch.runtime_dir = options.Get("runtimeDir").As<Napi::String>().Utf8Value();
  std::string what;
  const int result = connect_to_shim(launch, fd_, what, owner_, pid_);
  if (result < 0) {
    Napi::Error error = Napi::Error::New(env, what);
    error.Set("errno", Napi::Number::New(env, -result));
    error.ThrowAsJavaScriptException();
    return;
  }
  on_message_ = Napi::Persistent(info[1].As<Napi::Function>());
  on_close_ = Napi::Persistent(info[2].As<Napi::Function>());
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  poll_ = new uv_poll_t;
  uv_poll_init(loop, poll_, fd_.get());
  poll_->data = this;
  uv_unref(reinterpret_cast<uv_handle_t*>(poll_));
  Watch();
}

Socket::~Socket() { Shut(); }

void Socket::Shut() {
  if (poll_ != nullptr) {
    poll_->data = nullptr;
    uv_poll_stop(poll_);
    // uv owns the handle until the close callback
    uv_close(reinterpret_cast<uv_handle_t*>(poll_), [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
    poll_ = nullptr;
  }
  fd_.reset();
  unsent_.clear();
  on_message_.Reset();
  on_close_.Reset();
}

void Socket::Watch() {
  if (poll_ == nullptr) return;
  uv_poll_start(poll_, UV_READABLE | (unsent_.empty() ? 0 : UV_WRITABLE), [](uv_poll_t* handle, int, int events) {
    auto* socket = static_cast<Socket*>(handle->data);
    if (socket != nullptr) socket->OnReady(events);
  });
}

void Socket::OnReady(int events) {
  const Napi::HandleScope scope(Env());
  if ((events & UV_WRITABLE) != 0) {
    // a message must not get lost, or its sender would wait for ever: the end of file that this makes tells everybody
    if (Flush() < 0) shutdown(fd_.get(), SHUT_RDWR);
    Watch();
  }
  // a bounded number, so that other handles of the loop get their turn
  for (int i = 0; i < 64 && poll_ != nullptr; ++i) {
    if (!ReceiveOne()) return;
  }
}

bool Socket::ReceiveOne() {
  const Napi::Env env = Env();
  static thread_local char buffer[sizeof(Header) + kInlineBody];
  iovec part{buffer, sizeof buffer};
  Control control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  const ssize_t size = recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  // cut: there was no room for its descriptors, and what they were is lost
  if (size < static_cast<ssize_t>(sizeof(Header)) || (message.msg_flags & MSG_CTRUNC) != 0) {
    const Napi::Function closed = on_close_.Value();
    Shut();
    Tell(closed, {});
    return false;
  }
  std::vector<unique_fd> fds;
  for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr; item = CMSG_NXTHDR(&message, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int raw[kMaxDescriptors];
    std::memcpy(raw, CMSG_DATA(item), sizeof(int) * count);
    for (size_t i = 0; i < count; ++i) fds.emplace_back(raw[i]);
  }
  Header header{};
  std::memcpy(&header, buffer, sizeof header);
  size_t first = 0;
  Napi::Value body;
  if ((header.flags & kBodyInMemfd) != 0 && !fds.empty()) {
    body = read_memfd(env, fds[0].get(), header.size);
    first = 1;
  } else {
    body = Napi::Buffer<char>::Copy(env, buffer + sizeof header, static_cast<size_t>(size) - sizeof header);
  }
  Napi::Array numbers = Napi::Array::New(env, fds.size() - first);
  for (size_t i = first; i < fds.size(); ++i) numbers.Set(static_cast<uint32_t>(i - first), Napi::Number::New(env, fds[i].release()));
  Tell(on_message_.Value(), {Napi::Number::New(env, header.type), Napi::Number::New(env, header.id), body, numbers});
  return true;
}

void Socket::Tell(const Napi::Function& listener, const std::initializer_list<napi_value>& arguments) {
  const Napi::Env env = Env();
  listener.MakeCallback(Value(), arguments);
  // no JavaScript is below us that could catch it: an uncaught exception, as in any other callback of the event loop
  if (env.IsExceptionPending()) napi_fatal_exception(env, env.GetAndClearPendingException().Value());
}

Napi::Value Socket::Send(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!fd_) return Napi::Number::New(env, -EPIPE);
  const uint32_t type = info[0].As<Napi::Number>().Uint32Value();
  const uint32_t id = info[1].As<Napi::Number>().Uint32Value();
  const auto body = info[2].As<Napi::Uint8Array>();
  const Napi::Array numbers = info[3].As<Napi::Array>();
  Header header{kProtocolVersion, static_cast<uint16_t>(type), id, static_cast<uint32_t>(body.ByteLength()), 0};
  Outgoing message;
  if (body.ByteLength() > kInlineBody) {
    header.flags = kBodyInMemfd;
    unique_fd memfd;
    const int result = make_memfd(reinterpret_cast<const char*>(body.Data()), body.ByteLength(), memfd);
    if (result < 0) return Napi::Number::New(env, result);
    message.fds.push_back(std::move(memfd));
  }
  message.bytes.assign(reinterpret_cast<const char*>(&header), sizeof header);
  if (header.flags == 0) message.bytes.append(reinterpret_cast<const char*>(body.Data()), body.ByteLength());
  for (uint32_t i = 0; i < numbers.Length(); ++i) {
    // duplicated: the caller may close its own before the message has left
    unique_fd copy(fcntl(numbers.Get(i).As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 3));
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
    unsent_.pop_front();
    if (result < 0) return result;
  }
  return 0;
}

void Socket::Ref(const Napi::CallbackInfo&) {
  if (poll_ != nullptr) uv_ref(reinterpret_cast<uv_handle_t*>(poll_));
}

void Socket::Unref(const Napi::CallbackInfo&) {
  if (poll_ != nullptr) uv_unref(reinterpret_cast<uv_handle_t*>(poll_));
}

void Socket::Close(const Napi::CallbackInfo&) { Shut(); }

Napi::Value Socket::Owner(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), owner_); }

Napi::Value Socket::Pid(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), pid_); }

}  // namespace nacelle
