#pragma once

#include <napi.h>
#include <sys/types.h>

#include <map>
#include <utility>
#include <vector>

#include "shim/kernel/unique_fd.h"

namespace nacelle {

// What JavaScript has of an environment's descriptors. A Worker can be terminated between any two calls, and then closes
// nothing itself: what is left is closed with its environment.
class Descriptors {
 public:
  Descriptors() = default;
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;
  ~Descriptors();

  // That of an environment, which has one from the addon's start to its end.
  static Descriptors& of(Napi::Env env) { return *env.GetInstanceData<Descriptors>(); }

  // JavaScript's number for it, whose it is from then on.
  int add(unique_fd fd);
  void forget(int fd) { open_.erase(fd); }

 private:
  using File = std::pair<dev_t, ino_t>;
  static File file_of(int fd);

  std::map<int, File> open_;
};

// An array of their numbers: they are JavaScript's from then on. false: the environment is ending, and they stay here.
bool hand_over(napi_env env, std::vector<unique_fd>& fds, napi_value* numbers);

// pipe(): [read end, write end], close-on-exec. -errno as a number when it fails.
Napi::Value Pipe(const Napi::CallbackInfo& info);

// closeDescriptor(fd), duplicateDescriptor(fd): as close(2), and dup(2) close-on-exec. >= 0 or -errno. In a Worker Node keeps account
// of what its own fs opened: it warns of other descriptors that fs closes, and closes again what fs has not.
Napi::Value CloseDescriptor(const Napi::CallbackInfo& info);
Napi::Value DuplicateDescriptor(const Napi::CallbackInfo& info);

// releaseDescriptor(fd): it has another owner, such as a stream, who closes it.
void ReleaseDescriptor(const Napi::CallbackInfo& info);

// namespaceIoctl(fd, request): the descriptor that NS_GET_USERNS or NS_GET_PARENT answers with, or -errno.
Napi::Value NamespaceIoctl(const Napi::CallbackInfo& info);

}  // namespace nacelle
