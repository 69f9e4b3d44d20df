#include "confine.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/socket.h>

#include "../kernel/serving_filter.h"
#include "../kernel/unprivileged.h"

namespace nacelle::names {
namespace {

int allow_calls() {
  constexpr uint32_t kWrites = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND, kFlags = 2;
  SyscallFilter filter;
  allow_serving(filter);
  for (const uint32_t call : {
           // what is served
           SYS_recvfrom,
           SYS_recvmmsg,
           SYS_sendto,
           SYS_accept4,
           SYS_connect,
           SYS_getsockopt,
           SYS_fcntl,
           // files that have changed
           SYS_pread64,
           SYS_newfstatat,
           SYS_fstat,
           SYS_getdents64,
           SYS_lseek,
           // ids of queries
           SYS_getrandom,
       }) {
    filter.allow(call);
  }
  filter.allow_with(SYS_socket, 0, {AF_INET, AF_INET6});
  filter.allow_with(SYS_ioctl, 1, {SIOCGIFINDEX});
  filter.allow_without(SYS_openat, kFlags, kWrites);
  return filter.install();
}

}  // namespace

int confine(const char* name) {
  const int result = become_unprivileged(name);
  return result < 0 ? result : allow_calls();
}

}  // namespace nacelle::names
