#include "watchdog_process.h"

#include <signal.h>
#include <sys/socket.h>

#include <cerrno>

#include "../kernel/ancillary.h"
#include "../kernel/syscalls.h"
#include "beside.h"

namespace nacelle {

static_assert(kWatchdogControl == 0 && kWatchdogShim == 1);

int Watchdog::start(int executable) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
  unique_fd ours(pair[0]);
  const unique_fd theirs(pair[1]);
  unique_fd shim;
  if (const int result = opened(sys_pidfd_open(getpid()), shim); result < 0) return result;
  const int fds[] = {shim.get()};
  const char* const argv[] = {kWatchdogName, nullptr};
  CloneArguments fork;
  fork.exit_signal = SIGCHLD;
  const pid_t pid = sys_clone3(fork);
  // one that can't be executed closes the socket, which the first watch() then finds
  if (pid == 0) _exit(execute_beside(executable, theirs.get(), fds, 1, argv) == 0 ? 0 : 1);
  if (pid < 0) return pid;
  pid_ = pid;
  control_ = std::move(ours);
  return 0;
}

int Watchdog::watch(int executable, int pidfd) {
  if (!control_) {
    if (const int result = start(executable); result < 0) return result;
  }
  char byte = 0;
  iovec part{&byte, sizeof byte};
  Ancillary<1> room{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  put_descriptors(header, room, &pidfd, 1);
  ssize_t sent;
  do {
    sent = sendmsg(control_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent == 1) return 0;
  const int error = errno;
  if (error == EPIPE || error == ECONNRESET) control_.reset();
  return -error;
}

void Watchdog::ended() {
  pid_ = 0;
  control_.reset();
}

}  // namespace nacelle
