#include "work_filter.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <iterator>

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

// The calls in a list are allowed with any arguments. Some are made only by an older libc.
using Calls = std::initializer_list<uint32_t>;

// Every work opens and examines files, maps memory and ends.
constexpr Calls kEach = {
    SYS_read,
    SYS_lseek,
    SYS_fcntl,
    SYS_close,
    SYS_openat,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_getdents64,
    SYS_brk,
    SYS_mremap,
    SYS_munmap,
    SYS_madvise,
    SYS_getrandom,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group,
#ifdef NACELLE_SANITIZED
    // the sanitizers' runtime needs these for its report, its locks and its symbols
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

constexpr Calls kUnpacking = {
    SYS_openat2,
    SYS_fchdir,
    SYS_umask,
    // the content of files
    SYS_pwrite64,
    SYS_ftruncate,
    // making and removing
    SYS_mkdirat,
    SYS_mknodat,
    SYS_symlinkat,
    SYS_linkat,
    SYS_unlinkat,
    SYS_geteuid,
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
    // writing all to the disk
    SYS_syncfs,
};

// Packing and comparing layers read files, links and attributes. rt_sigaction ignores SIGPIPE, so that a pipe without a reader is an error.
constexpr Calls kReadingLayers = {
    SYS_pread64, SYS_readlinkat, SYS_fgetxattr, SYS_flistxattr, SYS_lgetxattr, SYS_llistxattr, SYS_fchdir, SYS_rt_sigaction,
};

// Copying out opens paths below the container's root, and follows no link.
constexpr Calls kCopyingOut = {SYS_openat2};

Calls calls_of(Work work) {
  if (work == Work::kUnpack) return kUnpacking;
  return work == Work::kCopyOut ? kCopyingOut : kReadingLayers;
}

constexpr const char* kNames[] = {"unpack", "pack", "changes", "copy_out"};

}  // namespace

bool find_work(const char* name, Work& out) {
  const auto* found = std::find_if(std::begin(kNames), std::end(kNames), [&](const char* known) { return std::strcmp(known, name) == 0; });
  out = static_cast<Work>(found - std::begin(kNames));
  return found != std::end(kNames);
}

int allow_calls_of(Work work, int channel, int output) {
  constexpr size_t kProtection = 2;  // the argument's index in mmap and mprotect; mremap keeps the protection
  SyscallFilter filter;
  for (const uint32_t call : kEach) filter.allow(call);
  for (const uint32_t call : calls_of(work)) filter.allow(call);
  for (const uint32_t call : {SYS_mmap, SYS_mprotect}) filter.allow_without(call, kProtection, PROT_EXEC);
  const auto word = static_cast<uint32_t>(channel), found = static_cast<uint32_t>(output < 0 ? channel : output);
  filter.allow_with(SYS_sendmsg, 0, {word});
  filter.allow_with(SYS_write, 0, {word, found});
  return filter.install();
}

}  // namespace nacelle
