#include "local_stream.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include "descriptors.h"
#include "shim/kernel/unique_fd.h"

namespace nacelle {
namespace {

int connect_to(const std::string& address, unique_fd& fd, ucred& peer) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.empty()) return -EINVAL;
  // a path ends with a NUL, an abstract address where its length says
  const bool is_abstract = address[0] == '\0';
  if (address.size() + (is_abstract ? 0 : 1) > sizeof name.sun_path) return -ENAMETOOLONG;
  memcpy(name.sun_path, address.data(), address.size());
  const size_t length = offsetof(sockaddr_un, sun_path) + address.size() + (is_abstract ? 0 : 1);
  fd.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return -errno;
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), static_cast<socklen_t>(length)) < 0) return -errno;
  socklen_t size = sizeof peer;
  return getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ? -errno : 0;
}

}  // namespace

Napi::Value ConnectLocal(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  unique_fd fd;
  ucred peer{};
  const int result = connect_to(info[0].As<Napi::String>().Utf8Value(), fd, peer);
  if (result < 0) return Napi::Number::New(env, result);
  const Napi::Object connected = Napi::Object::New(env);
  connected.Set("fd", Napi::Number::New(env, Descriptors::of(env).add(std::move(fd))));
  connected.Set("pid", Napi::Number::New(env, peer.pid));
  connected.Set("uid", Napi::Number::New(env, peer.uid));
  return connected;
}

}  // namespace nacelle
