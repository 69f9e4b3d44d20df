#include "chroot.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "../kernel/syscalls.h"
#include "ground.h"

namespace nacelle {
namespace {

// Of this process, and of those that are born of it later.
bool is_in_chroot = false;

struct Root {
  unique_fd fd;
  uint64_t mount = 0;
  struct stat status {};
};

int open_root(Root& root) {
  root.fd.reset(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.fd || fstat(root.fd.get(), &root.status) < 0) return -errno;
  return mount_id(root.fd.get(), root.mount);
}

}  // namespace

int at_namespace_root(int (*set)(const void* argument), const void* argument) {
  Root own, top;
  int result = open_root(own);
  if (result == 0) result = leave_chroot();
  // a process without CAP_SYS_CHROOT can join no mount namespace, so that no program of its caller's can come to be at the other root
  if (result == -EPERM) return set(argument);
  if (result == 0) result = open_root(top);
  if (result == 0) result = set(argument);
  if (result < 0) return result;
  is_in_chroot = top.mount != own.mount || top.status.st_ino != own.status.st_ino;
  if (is_in_chroot && (fchdir(own.fd.get()) < 0 || chroot(".") < 0)) return -errno;
  return 0;
}

bool in_chroot() { return is_in_chroot; }

// Joining a mount namespace leads to its root, also where the namespace is the own one.
int leave_chroot() {
  unique_fd self;
  const int result = opened(sys_pidfd_open(getpid()), self);
  return result < 0 ? result : checked_int(setns(self.get(), CLONE_NEWNS));
}

}  // namespace nacelle
