#include "descriptors.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace nacelle {

Napi::Value Pipe(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int pair[2];
  if (pipe2(pair, O_CLOEXEC) < 0) return Napi::Number::New(env, -errno);
  Napi::Array ends = Napi::Array::New(env, 2);
  ends.Set(0U, Napi::Number::New(env, pair[0]));
  ends.Set(1U, Napi::Number::New(env, pair[1]));
  return ends;
}

Napi::Value NamespaceIoctl(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const unsigned request = info[1].As<Napi::Number>().Uint32Value();
  const int result = ioctl(fd, request);
  if (result < 0) return Napi::Number::New(env, -errno);
  fcntl(result, F_SETFD, FD_CLOEXEC);
  return Napi::Number::New(env, result);
}

Napi::Value ReadAvailable(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const size_t max = info[1].As<Napi::Number>().Uint32Value();
  int available = 0;
  if (ioctl(fd, FIONREAD, &available) < 0) return Napi::Number::New(env, -errno);
  const size_t wanted = static_cast<size_t>(available) < max ? static_cast<size_t>(available) : max;
  if (wanted == 0) return Napi::Buffer<char>::New(env, 0);
  Napi::Buffer<char> bytes = Napi::Buffer<char>::New(env, wanted);
  const ssize_t count = read(fd, bytes.Data(), wanted);
  if (count < 0) return Napi::Number::New(env, -errno);
  if (count == 0) return env.Null();
  return static_cast<size_t>(count) == wanted ? bytes : Napi::Buffer<char>::Copy(env, bytes.Data(), static_cast<size_t>(count));
}

}  // namespace nacelle
