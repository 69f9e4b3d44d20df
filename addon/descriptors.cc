#include "descriptors.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace nacelle {

bool hand_over(napi_env env, std::vector<unique_fd>& fds, napi_value* numbers) {
  if (napi_create_array_with_length(env, fds.size(), numbers) != napi_ok) return false;
  for (size_t i = 0; i < fds.size(); ++i) {
    napi_value number = nullptr;
    if (napi_create_int32(env, fds[i].get(), &number) != napi_ok) return false;
    if (napi_set_element(env, *numbers, static_cast<uint32_t>(i), number) != napi_ok) return false;
  }
  for (unique_fd& fd : fds) static_cast<void>(fd.release());
  return true;
}

Napi::Value Pipe(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int pair[2];
  if (pipe2(pair, O_CLOEXEC) < 0) return Napi::Number::New(env, -errno);
  std::vector<unique_fd> ends;
  for (const int fd : pair) ends.emplace_back(fd);
  napi_value numbers = nullptr;
  // an environment that is ending takes none of them
  if (!hand_over(env, ends, &numbers)) return Napi::Number::New(env, -ECANCELED);
  return {env, numbers};
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
