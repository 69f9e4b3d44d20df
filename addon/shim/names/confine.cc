#include "confine.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>

#include "../kernel/syscall_filter.h"
#include "../kernel/syscalls.h"

namespace nacelle::names {
namespace {

// The greatest id that there is: neither a user's nor one of those that are handed out for namespaces.
constexpr uint32_t kNobody = 0xfffffffe;

int become_nobody() {
  if (geteuid() != 0) return 0;
  if (syscall(SYS_setresgid, kNobody, kNobody, kNobody) < 0) return errno == EINVAL ? 0 : -errno;
  if (syscall(SYS_setgroups, 0, nullptr) < 0) return -errno;
  return checked_int(syscall(SYS_setresuid, kNobody, kNobody, kNobody));
}

int drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  return checked_int(syscall(SYS_capset, &header, none));
}

int limit(__rlimit_resource resource, rlim_t most) {
  const struct rlimit value { most, most };
  return setrlimit(resource, &value) < 0 ? -errno : 0;
}

int allow_calls() {
  constexpr uint32_t kWrites = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND, kProtection = 2;
  SyscallFilter filter;
  for (const uint32_t call : {
           // what is served
           SYS_recvfrom,
           SYS_recvmsg,
           SYS_recvmmsg,
           SYS_sendto,
           SYS_accept4,
           SYS_connect,
           SYS_getsockopt,
           SYS_fcntl,
           SYS_close,
           // waiting
           SYS_epoll_pwait,
           SYS_epoll_ctl,
           SYS_timerfd_settime,
           SYS_clock_gettime,
           SYS_restart_syscall,
#ifdef __x86_64__
           SYS_epoll_wait,
#endif
           // files that have changed
           SYS_read,
           SYS_pread64,
           SYS_newfstatat,
           SYS_fstat,
           SYS_getdents64,
           SYS_lseek,
           // memory, ids of queries, the end
           SYS_brk,
           SYS_munmap,
           SYS_mremap,
           SYS_madvise,
           SYS_getrandom,
           SYS_exit_group,
       }) {
    filter.allow(call);
  }
  filter.allow_with(SYS_socket, 0, {AF_INET, AF_INET6});
  filter.allow_with(SYS_ioctl, 1, {SIOCGIFINDEX});
  filter.allow_without(SYS_openat, kProtection, kWrites);
  for (const uint32_t call : {SYS_mmap, SYS_mprotect}) filter.allow_without(call, kProtection, PROT_EXEC);
  return filter.install();
}

}  // namespace

int confine(const char* name) {
  int result = become_nobody();
  if (result == 0) result = drop_capabilities();
  if (result < 0) return result;
  // after the change of ids, which takes these back
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return -errno;
  if (prctl(PR_SET_NAME, name) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
  result = limit(RLIMIT_CORE, 0);
  if (result == 0) result = limit(RLIMIT_FSIZE, 0);
  if (result == 0) result = limit(RLIMIT_NPROC, 0);
  return result < 0 ? result : allow_calls();
}

}  // namespace nacelle::names
