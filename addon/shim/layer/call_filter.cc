#include "call_filter.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NACELLE_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define NACELLE_SANITIZED 1
#endif

namespace nacelle {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the filter of unpacking knows x86-64 and arm64"
#endif

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

constexpr sock_filter load(size_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); }
constexpr sock_filter verdict(uint32_t value) { return BPF_STMT(BPF_RET | BPF_K, value); }
constexpr sock_filter skip_unless(uint16_t test, uint32_t value, uint8_t count) {
  return BPF_JUMP(BPF_JMP | test | BPF_K, value, 0, count);
}

// The low half: what the calls below take is an int.
constexpr size_t argument(size_t index) { return offsetof(seccomp_data, args) + index * sizeof(uint64_t); }

class Filter {
 public:
  Filter() {
    add(load(offsetof(seccomp_data, arch)));
    add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
    add(verdict(SECCOMP_RET_KILL_PROCESS));
    add(load(offsetof(seccomp_data, nr)));
  }

  void allow(uint32_t call) {
    add(skip_unless(BPF_JEQ, call, 1));
    add(verdict(SECCOMP_RET_ALLOW));
  }
  // Only when the argument is `value`.
  void allow_with(uint32_t call, size_t index, uint32_t value) { when(call, index, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1)); }
  // Only when the argument has none of the bits.
  void allow_without(uint32_t call, size_t index, uint32_t bits) { when(call, index, BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0)); }

  int install() {
    add(verdict(SECCOMP_RET_KILL_PROCESS));
    const sock_fprog program{static_cast<unsigned short>(instructions_.size()), instructions_.data()};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
  }

 private:
  void add(sock_filter instruction) { instructions_.push_back(instruction); }
  void when(uint32_t call, size_t index, sock_filter test) {
    add(skip_unless(BPF_JEQ, call, 4));
    add(load(argument(index)));
    add(test);
    add(verdict(SECCOMP_RET_ALLOW));
    add(verdict(SECCOMP_RET_KILL_PROCESS));
  }

  std::vector<sock_filter> instructions_;
};

}  // namespace

int allow_unpacking_calls(int channel) {
  constexpr size_t kProtection = 2;  // of mmap and mprotect; mremap keeps what was given
  Filter filter;
  for (const uint32_t call : kAllowed) filter.allow(call);
  for (const uint32_t call : {SYS_mmap, SYS_mprotect}) filter.allow_without(call, kProtection, PROT_EXEC);
  for (const uint32_t call : {SYS_sendmsg, SYS_write}) filter.allow_with(call, 0, static_cast<uint32_t>(channel));
  return filter.install();
}

}  // namespace nacelle
