#include "descriptors.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

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

Napi::Value CloseDescriptor(const Napi::CallbackInfo& info) {
  const int result = close(info[0].As<Napi::Number>().Int32Value());
  return Napi::Number::New(info.Env(), result < 0 ? -errno : result);
}

Napi::Value DuplicateDescriptor(const Napi::CallbackInfo& info) {
  const int result = fcntl(info[0].As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 3);
  return Napi::Number::New(info.Env(), result < 0 ? -errno : result);
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

}  // namespace nacelle
