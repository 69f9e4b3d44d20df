#pragma once

#include <napi.h>
#include <sys/types.h>

#include <map>
#include <utility>
#include <vector>

#include "shim/kernel/unique_fd.h"

namespace nacelle {

// The descriptors of an environment that JavaScript holds. A Worker can be terminated between any two calls, and then closes nothing
// itself: the descriptors that are left are closed with its environment.
class Descriptors {
 public:
  Descriptors() = default;
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;
  ~Descriptors();

  // The object of an environment, which exists from the addon's start to the environment's end.
  static Descriptors& of(Napi::Env env) { return *env.GetInstanceData<Descriptors>(); }

  // Gives a descriptor to JavaScript, which owns it from then on. Returns its number.
  int add(unique_fd fd);
  void forget(int fd) { open_.erase(fd); }

 private:
  using File = std::pair<dev_t, ino_t>;
  static File file_of(int fd);

  std::map<int, File> open_;
};

// Gives descriptors to JavaScript, which owns them from then on, as an array of numbers. False when the environment is ending; they stay
// here then.
bool hand_over(napi_env env, std::vector<unique_fd>& fds, napi_value* numbers);

// pipe(): [read end, write end], close-on-exec. -errno as a number when it fails.
Napi::Value Pipe(const Napi::CallbackInfo& info);

// endShim(): see end_shim. All connections must be closed, or the shim has other clients and does not end.
Napi::Value EndShim(const Napi::CallbackInfo& info);

// copyShim(path): the descriptor of a copy of the shim's executable that nobody can change (launch.h), or -errno.
Napi::Value CopyShim(const Napi::CallbackInfo& info);

// closeDescriptor(fd), duplicateDescriptor(fd): as close(2), and dup(2) close-on-exec. >= 0 or -errno. Node's fs is not
// used for this: in a Worker, Node keeps account of the descriptors that fs opened. It warns when fs closes any other, and closes a second
// time those that fs has not closed.
Napi::Value CloseDescriptor(const Napi::CallbackInfo& info);
Napi::Value DuplicateDescriptor(const Napi::CallbackInfo& info);

// releaseDescriptor(fd): another owner, such as a stream, closes the descriptor from now on.
void ReleaseDescriptor(const Napi::CallbackInfo& info);

// namespaceIoctl(fd, request): the descriptor that NS_GET_USERNS or NS_GET_PARENT answers with, or -errno.
Napi::Value NamespaceIoctl(const Napi::CallbackInfo& info);

}  // namespace nacelle
