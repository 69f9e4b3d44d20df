#include "beside.h"

#include <fcntl.h>

#include <cerrno>

#include "../kernel/syscalls.h"

namespace nacelle {

// The descriptors are first moved away from the numbers that they get.
int execute_beside(int executable, int control, const int* fds, size_t count, const char* const* argv) {
  constexpr int kAside = 2 + static_cast<int>(kMostBeside);
  int moved[kMostBeside] = {};
  if (count > kMostBeside) return E2BIG;
  const int program = fcntl(executable, F_DUPFD_CLOEXEC, kAside);
  const int socket = fcntl(control, F_DUPFD_CLOEXEC, kAside);
  if (program < 0 || socket < 0) return errno;
  for (size_t i = 0; i < count; ++i) {
    moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, kAside);
    if (moved[i] < 0) return errno;
  }
  if (dup2(socket, 0) < 0) return errno;
  for (size_t i = 0; i < count; ++i) {
    if (dup2(moved[i], 1 + static_cast<int>(i)) < 0) return errno;
  }
  const int closed = sys_close_range(1 + static_cast<unsigned>(count), ~0U, CLOSE_RANGE_CLOEXEC);
  if (closed < 0) return -closed;
  const char* const env[] = {nullptr};
  syscall(SYS_execveat, program, "", argv, env, AT_EMPTY_PATH);
  return errno;
}

}  // namespace nacelle
