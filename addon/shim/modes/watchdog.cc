#include "watchdog.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "../kernel/packet.h"
#include "../kernel/syscalls.h"

namespace nacelle {
namespace {

constexpr size_t kFirst = 2;  // what is waited for beside the processes: the shim, then the socket

// As many as the shim may have, which has more descriptors for each process.
void allow_many() {
  struct rlimit limit {};
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));  // without it, take_new() ends earlier
}

// Takes the pidfds that have come. False when no more can come, or none can be taken.
bool take_new(std::vector<pollfd>& watched) {
  for (;;) {
    char byte;
    Packet<1> packet = receive_packet(kWatchdogControl, &byte, sizeof byte);
    if (packet.size == -EAGAIN) return true;
    // a pidfd that found no room is lost
    if (packet.size <= 0 || packet.lacks_fds) return false;
    // the pidfd is closed when its process has ended
    if (packet.fds[0]) watched.push_back({packet.fds[0].release(), POLLIN, 0});
  }
}

void forget_ended(std::vector<pollfd>& watched) {
  const auto has_ended = [](const pollfd& process) { return process.revents != 0 && (close(process.fd), true); };
  watched.erase(std::remove_if(watched.begin() + kFirst, watched.end(), has_ended), watched.end());
}

}  // namespace

void watchdog_main() {
  allow_many();
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_NAME, kWatchdogName);
  std::vector<pollfd> watched{{kWatchdogShim, POLLIN, 0}, {kWatchdogControl, POLLIN, 0}};
  // the shim, which finds the socket closed, starts another watchdog; with the last of its processes this one ends
  while (watched[1].fd >= 0 || watched.size() > kFirst) {
    if (poll(watched.data(), watched.size(), -1) < 0) {
      if (errno == EINTR) continue;
      _exit(1);
    }
    // what came before the shim died is still in the socket
    const bool is_over = watched[0].revents != 0;
    const bool has_more = watched[1].revents != 0;
    forget_ended(watched);
    if ((has_more || is_over) && watched[1].fd >= 0 && !take_new(watched)) {
      close(kWatchdogControl);
      watched[1].fd = -1;
    }
    if (!is_over) continue;
    for (size_t i = kFirst; i < watched.size(); ++i) static_cast<void>(sys_pidfd_send_signal(watched[i].fd, SIGKILL));
    break;
  }
  _exit(0);
}

}  // namespace nacelle
