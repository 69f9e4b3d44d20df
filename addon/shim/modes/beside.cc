#include "beside.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <utility>

#include "../kernel/syscalls.h"

namespace nacelle {

namespace {

// A process that could not execute the file has exited with its errno. Any other may have ended as well by now, its work done: its end
// stays to be waited for by whoever watches the process.
int failed_start(pid_t pid) {
  siginfo_t end{};
  const int result = sys_waitid(P_PID, pid, &end, WEXITED | WNOHANG | WNOWAIT | __WALL, nullptr);
  if (result < 0 || end.si_pid != pid || end.si_code != CLD_EXITED || end.si_status == 0) return 0;
  waitpid(pid, nullptr, __WALL);
  return -end.si_status;
}

}  // namespace

pid_t start_beside(int executable, const int* fds, size_t count, const char* const* argv, unique_fd& control, int ns) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
  unique_fd ours(pair[0]);
  const unique_fd theirs(pair[1]);
  CloneArguments fork;
  fork.flags = kCloneVfork;  // until execve, or the end of a process that could not come so far
  fork.exit_signal = SIGCHLD;
  const pid_t pid = sys_clone3(fork);
  if (pid == 0) _exit(ns >= 0 && setns(ns, CLONE_NEWNET) < 0 ? errno : execute_beside(executable, theirs.get(), fds, count, argv));
  if (pid < 0) return pid;
  const int failed = failed_start(pid);
  if (failed < 0) return failed;
  control = std::move(ours);
  return pid;
}

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
