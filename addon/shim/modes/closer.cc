#include "closer.h"

#include <sys/socket.h>
#include <unistd.h>

#include "../kernel/packet.h"
#include "../kernel/syscall_filter.h"
#include "../kernel/unprivileged.h"

namespace nacelle {
namespace {

int confine() {
  const int result = become_unprivileged(kCloserName);
  if (result < 0) return result;
  SyscallFilter filter;
  for (const uint32_t call : {SYS_recvmsg, SYS_sendto, SYS_close, SYS_restart_syscall, SYS_exit_group}) filter.allow(call);
  return filter.install();
}

// Ends when the shim wants nothing more. What it has not taken until then, the kernel closes as this process ends.
void serve() {
  for (;;) {
    char byte = 0;
    Packet<1> packet = receive_packet(kCloserControl, &byte, sizeof byte, 0);
    if (packet.size != sizeof byte) return;
    packet.fds[0].reset();
    if (send(kCloserControl, &byte, sizeof byte, MSG_NOSIGNAL) < 0) return;
  }
}

}  // namespace

void closer_main() {
  if (confine() < 0) _exit(1);
  serve();
  _exit(0);
}

}  // namespace nacelle
