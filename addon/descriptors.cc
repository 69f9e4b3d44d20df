#include "descriptors.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "launch.h"

namespace nacelle {

Descriptors::~Descriptors() {
  // a stream may have closed its descriptor without releaseDescriptor(), and the number may belong to another file by now
  for (const auto& entry : open_) {
    if (file_of(entry.first) == entry.second) close(entry.first);
  }
}

int Descriptors::add(unique_fd fd) {
  open_[fd.get()] = file_of(fd.get());
  return fd.release();
}

Descriptors::File Descriptors::file_of(int fd) {
  struct stat status {};
  return fstat(fd, &status) < 0 ? File{} : File{status.st_dev, status.st_ino};
}

bool hand_over(napi_env env, std::vector<unique_fd>& fds, napi_value* numbers) {
  if (napi_create_array_with_length(env, fds.size(), numbers) != napi_ok) return false;
  for (size_t i = 0; i < fds.size(); ++i) {
    napi_value number = nullptr;
    if (napi_create_int32(env, fds[i].get(), &number) != napi_ok) return false;
    if (napi_set_element(env, *numbers, static_cast<uint32_t>(i), number) != napi_ok) return false;
  }
  for (unique_fd& fd : fds) Descriptors::of(env).add(std::move(fd));
  return true;
}

Napi::Value Pipe(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int pair[2];
  if (pipe2(pair, O_CLOEXEC) < 0) return Napi::Number::New(env, -errno);
  std::vector<unique_fd> ends;
  for (const int fd : pair) ends.emplace_back(fd);
  napi_value numbers = nullptr;
  // an environment that is ending takes no descriptors
  if (!hand_over(env, ends, &numbers)) return Napi::Number::New(env, -ECANCELED);
  return {env, numbers};
}

Napi::Value EndShim(const Napi::CallbackInfo& info) {
  end_shim();
  return info.Env().Undefined();
}

Napi::Value CopyShim(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  unique_fd copy;
  const int result = copy_shim(info[0].As<Napi::String>().Utf8Value(), copy);
  return Napi::Number::New(env, result < 0 ? result : Descriptors::of(env).add(std::move(copy)));
}

Napi::Value CloseDescriptor(const Napi::CallbackInfo& info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  Descriptors::of(info.Env()).forget(fd);
  const int result = close(fd);
  return Napi::Number::New(info.Env(), result < 0 ? -errno : result);
}

Napi::Value DuplicateDescriptor(const Napi::CallbackInfo& info) {
  unique_fd copy(fcntl(info[0].As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 3));
  return Napi::Number::New(info.Env(), copy ? Descriptors::of(info.Env()).add(std::move(copy)) : -errno);
}

void ReleaseDescriptor(const Napi::CallbackInfo& info) { Descriptors::of(info.Env()).forget(info[0].As<Napi::Number>().Int32Value()); }

Napi::Value NamespaceIoctl(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const unsigned request = info[1].As<Napi::Number>().Uint32Value();
  const int result = ioctl(fd, request);
  if (result < 0) return Napi::Number::New(env, -errno);
  if (request != NS_GET_USERNS && request != NS_GET_PARENT) return Napi::Number::New(env, result);  // a type, no descriptor
  fcntl(result, F_SETFD, FD_CLOEXEC);
  return Napi::Number::New(env, Descriptors::of(env).add(unique_fd(result)));
}

}  // namespace nacelle
