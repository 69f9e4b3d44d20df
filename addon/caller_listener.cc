#include "caller_listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "callback.h"
#include "descriptors.h"
#include "system_error.h"

namespace nacelle {
namespace {

constexpr int kWaiting = 128;
constexpr uint64_t kPauseMs = 100;

unique_fd spare_descriptor() { return unique_fd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// Of accept(2): what it lacks is not there the next moment either.
bool lacks_room(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

// The process at the other end, when it is this user's. 0: it is another's, or in a pid namespace that this process does not see.
pid_t own_peer(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != geteuid()) return 0;
  return peer.pid;
}

}  // namespace

Napi::Function CallerListener::Define(Napi::Env env) {
  return DefineClass(env, "CallerListener", {InstanceMethod<&CallerListener::Close>("close")});
}

CallerListener::CallerListener(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CallerListener>(info) {
  if (IsEmpty()) return;  // the environment is ending: nothing would ever free it
  const Napi::Env env = info.Env();
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const int result = Open(path);
  if (result < 0) {
    throw_error(env, "listen at " + path, result);
    return;
  }
  on_caller_ = Napi::Persistent(info[1].As<Napi::Function>());
  const int watched = poll_.open(env, fd_.get(), [this](int) { OnReady(); });
  if (watched < 0) {
    throw_error(env, "watch " + path, watched);
    return;
  }
  later_.open(env, [this] { poll_.watch(UV_READABLE); });
  poll_.watch(UV_READABLE);
}

int CallerListener::Open(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -ENAMETOOLONG;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  unique_fd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return -errno;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return -errno;
  // nobody can connect before listen(2)
  if (chmod(path.c_str(), 0600) < 0 || listen(fd.get(), kWaiting) < 0) return -errno;
  spare_ = spare_descriptor();
  fd_ = std::move(fd);
  return 0;
}

CallerListener::~CallerListener() { Shut(); }

void CallerListener::Shut() {
  later_.close();
  poll_.close();
  fd_.reset();
  spare_.reset();
  on_caller_.Reset();
}

// A caller that goes on waiting would have the loop tell of it without end.
void CallerListener::LetGo() {
  spare_.reset();
  {
    const unique_fd caller(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!caller && lacks_room(errno)) {
      poll_.pause();
      later_.start(kPauseMs);
    }
  }
  spare_ = spare_descriptor();
}

void CallerListener::OnReady() {
  const Napi::HandleScope scope(Env());
  // one at a time: the loop tells again of those that are left
  unique_fd caller(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!caller) {
    if (lacks_room(errno)) LetGo();
    return;
  }
  const pid_t pid = own_peer(caller.get());
  if (pid <= 0) return;
  napi_env env = Env();
  napi_value arguments[2] = {};
  if (napi_create_int32(env, pid, &arguments[1]) != napi_ok) return Shut();
  const int number = Descriptors::of(Env()).add(std::move(caller));
  if (napi_create_int32(env, number, &arguments[0]) != napi_ok) return Shut();
  if (!call_back(env, Value(), on_caller_.Value(), 2, arguments)) Shut();
}

void CallerListener::Close(const Napi::CallbackInfo&) { Shut(); }

Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return Napi::Number::New(env, -errno);
  std::vector<unique_fd> ends;
  ends.emplace_back(pair[0]);
  ends.emplace_back(pair[1]);
  napi_value numbers = nullptr;
  if (!hand_over(env, ends, &numbers)) return Napi::Number::New(env, -ECANCELED);
  return Napi::Value(env, numbers);
}

}  // namespace nacelle
