#pragma once

#include <sys/mman.h>

#include "syscall_filter.h"

namespace nacelle {

// What each confined process calls that serves containers (modes/confined_server.h): its requests, waiting, memory, the end.
inline void allow_serving(SyscallFilter& filter) {
  constexpr uint32_t kProtection = 2;
  for (const uint32_t call : {
           SYS_recvmsg,
           SYS_close,
           SYS_epoll_pwait,
           SYS_epoll_ctl,
           SYS_timerfd_settime,
           SYS_clock_gettime,
           SYS_restart_syscall,
#ifdef __x86_64__
           SYS_epoll_wait,
#endif
           SYS_read,
           SYS_brk,
           SYS_munmap,
           SYS_mremap,
           SYS_madvise,
           SYS_exit_group,
       }) {
    filter.allow(call);
  }
  for (const uint32_t call : {SYS_mmap, SYS_mprotect}) filter.allow_without(call, kProtection, PROT_EXEC);
}

}  // namespace nacelle
