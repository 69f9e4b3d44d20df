#include "call_filter.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

#include "../kernel/syscall_filter.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NACELLE_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define NACELLE_SANITIZED 1
#endif

namespace nacelle {
namespace {

// Whatever their arguments are. An older libc takes some that a newer one does not.
constexpr uint32_t kAllowed[] = {
    // the stream, and what is written
    SYS_read,
    SYS_pwrite64,
    SYS_ftruncate,
    SYS_lseek,
    SYS_fcntl,
    SYS_close,
    // finding and looking
    SYS_openat,
    SYS_openat2,
    SYS_fchdir,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_getdents64,
    SYS_umask,
    // making and removing
    SYS_mkdirat,
    SYS_mknodat,
    SYS_symlinkat,
    SYS_linkat,
    SYS_unlinkat,
    // owners, modes, times, attributes
    SYS_fchown,
    SYS_fchownat,
    SYS_fchmod,
    SYS_utimensat,
    SYS_fsetxattr,
    SYS_lsetxattr,
    SYS_fgetxattr,
    SYS_flistxattr,
    SYS_fremovexattr,
    SYS_lremovexattr,
    // what is unpacked goes to the disk
    SYS_syncfs,
    // memory, and the end
    SYS_brk,
    SYS_mremap,
    SYS_munmap,
    SYS_madvise,
    SYS_getrandom,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group,
#ifdef NACELLE_SANITIZED
    // the sanitizers' runtime: its report, its locks, and where it finds its symbols
    SYS_write,
    SYS_writev,
    SYS_futex,
    SYS_faccessat,
    SYS_getpid,
    SYS_gettid,
    SYS_sigaltstack,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sched_yield,
    SYS_readlinkat,
    SYS_clock_gettime,
    SYS_getrusage,
    SYS_tgkill,
    SYS_pipe2,
    SYS_prctl,
    SYS_prlimit64,
    SYS_getuid,
    SYS_getcwd,
#ifdef __x86_64__
    SYS_open,
    SYS_access,
    SYS_stat,
    SYS_readlink,
    SYS_pipe,
#endif
#endif
};

}  // namespace

int allow_unpacking_calls(int channel) {
  constexpr size_t kProtection = 2;  // of mmap and mprotect; mremap keeps what was given
  SyscallFilter filter;
  for (const uint32_t call : kAllowed) filter.allow(call);
  for (const uint32_t call : {SYS_mmap, SYS_mprotect}) filter.allow_without(call, kProtection, PROT_EXEC);
  for (const uint32_t call : {SYS_sendmsg, SYS_write}) filter.allow_with(call, 0, static_cast<uint32_t>(channel));
  return filter.install();
}

}  // namespace nacelle
