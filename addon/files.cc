#include "files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "shim/kernel/unique_fd.h"

namespace nacelle {
namespace {

int read_all(const std::string& path, std::string& text) {
  const unique_fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return -errno;
  char buffer[8192];
  ssize_t size;
  text.clear();
  while ((size = read(fd.get(), buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(size));
  return size < 0 ? -errno : 0;
}

}  // namespace

Napi::Value ReadFiles(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Array paths = info[0].As<Napi::Array>();
  Napi::Array texts = Napi::Array::New(env, paths.Length());
  std::string text;
  for (uint32_t i = 0; i < paths.Length(); ++i) {
    const Napi::Value path = paths.Get(i);
    if (path.IsEmpty()) return {};  // the Worker was terminated just now
    const int result = read_all(path.As<Napi::String>().Utf8Value(), text);
    if (result < 0) {
      texts.Set(i, Napi::Number::New(env, result));
    } else {
      texts.Set(i, Napi::String::New(env, text));
    }
  }
  return texts;
}

Napi::Value TryLock(const Napi::CallbackInfo& info) {
  struct flock lock {};
  lock.l_type = info[1].As<Napi::Boolean>() ? F_WRLCK : F_RDLCK;
  lock.l_whence = SEEK_SET;
  const int result = fcntl(info[0].As<Napi::Number>().Int32Value(), F_OFD_SETLK, &lock);
  return Napi::Number::New(info.Env(), result < 0 ? -errno : 0);
}

}  // namespace nacelle
