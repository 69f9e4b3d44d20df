#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "unique_fd.h"

// How the shim's executable is started as a shim: by Node, and by the front of nacelle-oci.
namespace nacelle {

class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

// posix_spawn shares this process's memory until execve, so its time does not grow with the heap. The shim gets `control` as its descriptor
// 3, and `joined` as 4 unless that is < 0. 0 or -errno.
inline int spawn_shim(int executable, int control, int joined, std::vector<std::string> arguments, pid_t& pid) {
  // all are moved away from the numbers that they will get in the child
  const unique_fd program(fcntl(executable, F_DUPFD_CLOEXEC, 10));
  const unique_fd socket(fcntl(control, F_DUPFD_CLOEXEC, 10));
  const bool joins = joined >= 0;
  const unique_fd other(joins ? fcntl(joined, F_DUPFD_CLOEXEC, 10) : -1);
  if (!program || !socket || (joins && !other)) return -errno;
  SpawnActions actions;
  for (int fd = 0; fd < 3; ++fd) posix_spawn_file_actions_addopen(actions.get(), fd, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(actions.get(), socket.get(), 3);
  if (joins) posix_spawn_file_actions_adddup2(actions.get(), other.get(), 4);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", program.get());
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  char* env[] = {nullptr};
  const int result = posix_spawn(&pid, path, actions.get(), &attributes, argv.data(), env);
  posix_spawnattr_destroy(&attributes);
  return -result;
}

}  // namespace nacelle
