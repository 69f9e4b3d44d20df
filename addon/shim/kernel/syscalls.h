#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "unique_fd.h"

// System calls that libc has no wrapper for, or whose numbers and structures older headers lack.
// All return >= 0 or -errno.
namespace nacelle {

#ifndef OPEN_TREE_CLONE
constexpr unsigned OPEN_TREE_CLONE = 1;
#endif
constexpr unsigned kOpenTreeCloexec = O_CLOEXEC;
constexpr unsigned kFsopenCloexec = 1, kFsmountCloexec = 1;
constexpr unsigned kMoveMountFromEmpty = 0x4, kMoveMountToEmpty = 0x40;
enum FsconfigCommand : unsigned { kSetFlag = 0, kSetString = 1, kSetFd = 5, kCreate = 6 };

constexpr uint64_t kMountAttrIdmap = 0x100000;

struct MountAttributes {
  uint64_t set = 0;
  uint64_t clear = 0;
  uint64_t propagation = 0;
  uint64_t userns_fd = 0;
};

struct CloneArguments {
  uint64_t flags = 0;
  uint64_t pidfd = 0;
  uint64_t child_tid = 0;
  uint64_t parent_tid = 0;
  uint64_t exit_signal = 0;
  uint64_t stack = 0;
  uint64_t stack_size = 0;
  uint64_t tls = 0;
  uint64_t set_tid = 0;
  uint64_t set_tid_size = 0;
  uint64_t cgroup = 0;
};
constexpr uint64_t kCloneIntoCgroup = 0x200000000ULL;
constexpr uint64_t kClonePidfd = 0x1000;
constexpr uint64_t kCloneVfork = 0x4000;
constexpr uint64_t kCloneParent = 0x8000;
constexpr uint64_t kCloneNewPid = 0x20000000;

inline long checked(long result) { return result < 0 ? -errno : result; }
inline int checked_int(long result) { return static_cast<int>(checked(result)); }

inline int sys_openat2(int at, const char* path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how {};
  how.flags = flags;
  how.mode = mode;
  how.resolve = resolve;
  // RESOLVE_IN_ROOT answers EAGAIN when a rename or mount raced with the walk: try again
  for (int attempt = 0;; ++attempt) {
    const int fd = checked_int(syscall(SYS_openat2, at, path, &how, sizeof how));
    if (fd != -EAGAIN || attempt == 64) return fd;
  }
}
inline int sys_fsopen(const char* type) { return checked_int(syscall(SYS_fsopen, type, kFsopenCloexec)); }
inline int sys_fsconfig(int fs, unsigned command, const char* key, const void* value, int aux) {
  return checked_int(syscall(SYS_fsconfig, fs, command, key, value, aux));
}
inline int sys_fsmount(int fs, unsigned attributes) { return checked_int(syscall(SYS_fsmount, fs, kFsmountCloexec, attributes)); }
inline int sys_open_tree(int at, const char* path, unsigned flags) { return checked_int(syscall(SYS_open_tree, at, path, flags)); }
inline int sys_move_mount(int from, const char* from_path, int to, const char* to_path, unsigned flags) {
  return checked_int(syscall(SYS_move_mount, from, from_path, to, to_path, flags));
}
inline int sys_mount_setattr(int at, const char* path, unsigned flags, const MountAttributes& attributes) {
  return checked_int(syscall(SYS_mount_setattr, at, path, flags, &attributes, sizeof attributes));
}
inline int sys_pivot_root(const char* root, const char* old) { return checked_int(syscall(SYS_pivot_root, root, old)); }
// Filters such as docker's answer ENOSYS to clone3, whose flags they can't see. clone does the same, but for the flags that only clone3
// has.
inline pid_t sys_clone3(const CloneArguments& arguments) {
  const long pid = checked(syscall(SYS_clone3, &arguments, sizeof arguments));
  constexpr uint64_t kSignals = 0xff;
  if (pid != -ENOSYS || arguments.flags > UINT32_MAX || (arguments.flags & kSignals) != 0) return static_cast<pid_t>(pid);
  return static_cast<pid_t>(
      checked(syscall(SYS_clone, arguments.flags | arguments.exit_signal, nullptr, arguments.pidfd, nullptr, nullptr)));
}
inline int sys_pidfd_open(pid_t pid) { return checked_int(syscall(SYS_pidfd_open, pid, 0)); }
inline int sys_pidfd_send_signal(int pidfd, int signal) { return checked_int(syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0)); }
// glibc's waitid leaves out the kernel's last argument
inline int sys_waitid(int type, int id, siginfo_t* info, int options, struct rusage* usage) {
  return checked_int(syscall(SYS_waitid, type, id, info, options, usage));
}
// Whether a filter of system calls may have refused a call: also when the filter refuses this question.
inline bool is_filtered() { return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0; }

inline int sys_close_range(unsigned first, unsigned last, unsigned flags) {
  return checked_int(syscall(SYS_close_range, first, last, flags));
}

// Opens into `out`; 0 or -errno.
inline int opened(int fd, unique_fd& out) {
  if (fd < 0) return fd;
  out.reset(fd);
  return 0;
}

}  // namespace nacelle
