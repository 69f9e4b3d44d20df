#include "watchdog_process.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "../kernel/packet.h"
#include "../kernel/syscalls.h"
#include "beside.h"

namespace nacelle {

static_assert(kWatchdogControl == 0 && kWatchdogShim == 1);

int Watchdog::start(int executable) {
  unique_fd shim;
  if (const int result = opened(sys_pidfd_open(getpid()), shim); result < 0) return result;
  const int fds[] = {shim.get()};
  const char* const argv[] = {kWatchdogName, nullptr};
  const pid_t pid = start_beside(executable, fds, 1, argv, control_);
  if (pid < 0) return pid;
  pid_ = pid;
  return 0;
}

int Watchdog::watch(int executable, int pidfd) {
  if (!control_) {
    if (const int result = start(executable); result < 0) return result;
  }
  constexpr int kPatience = 1000;  // ms, for a watchdog that has much to read
  const char byte = 0;
  int result;
  do {
    result = send_packet<1>(control_.get(), &byte, sizeof byte, &pidfd, 1, MSG_DONTWAIT);
    pollfd room{control_.get(), POLLOUT, 0};
    if (result == -EAGAIN && poll(&room, 1, kPatience) == 0) return result;
  } while (result == -EAGAIN);
  return result;
}

void Watchdog::forget() {
  pid_ = 0;
  control_.reset();
}

}  // namespace nacelle
