#include "relay_filter.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "../kernel/serving_filter.h"
#include "../kernel/unprivileged.h"
#include "datagram_port.h"

namespace nacelle::relay {
namespace {

void allow_common(SyscallFilter& filter) {
  allow_serving(filter);
  // which connects
  filter.allow_without(SYS_sendmsg, 2, MSG_FASTOPEN);
  filter.allow_without(SYS_sendto, 3, MSG_FASTOPEN);
}

}  // namespace

int confine_relay(const char* name) {
  if (const int result = become_unprivileged(name); result < 0) return result;
  SyscallFilter filter;
  allow_common(filter);
  for (const uint32_t call : {SYS_accept4, SYS_splice, SYS_write, SYS_pipe2, SYS_shutdown, SYS_getsockopt, SYS_recvfrom, SYS_recvmmsg})
    filter.allow(call);
  filter.allow_with(SYS_setsockopt, 2, {SO_KEEPALIVE, SO_LINGER, SO_RCVLOWAT, TCP_NODELAY});
  filter.allow_with(SYS_fcntl, 1, {F_SETFL, F_SETPIPE_SZ});
  return filter.install();
}

int confine_connector(const char* name) {
  if (const int result = become_unprivileged(name); result < 0) return result;
  SyscallFilter filter;
  allow_common(filter);
  // the last ones read resolv.conf
  for (const uint32_t call :
       {SYS_connect, SYS_getsockopt, SYS_getsockname, SYS_recvfrom, SYS_getrandom, SYS_newfstatat, SYS_fstat, SYS_pread64}) {
    filter.allow(call);
  }
  filter.allow_with(SYS_ioctl, 1, {SIOCGIFINDEX});
  filter.allow_without(SYS_openat, 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND);
  filter.allow_with(SYS_socket, 0, {AF_INET, AF_INET6});
  return filter.install();
}

int confine_datagrams(const char* name) {
  if (const int result = become_unprivileged(name); result < 0) return result;
  SyscallFilter filter;
  allow_common(filter);
  for (const uint32_t call : {SYS_connect, SYS_getsockopt, SYS_recvfrom}) filter.allow(call);
  filter.allow_with(SYS_socket, 0, {AF_INET, AF_INET6}, 1, kDatagramSocket);
  return filter.install();
}

}  // namespace nacelle::relay
