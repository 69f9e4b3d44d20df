#include "chroot.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "../kernel/syscalls.h"
#include "ground.h"

namespace nacelle {
namespace {

bool is_in_chroot = false;

struct Folder {
  unique_fd fd;
  uint64_t mount = 0;
  struct stat status {};
};

int open_folder(const char* path, Folder& folder) {
  folder.fd.reset(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.fd || fstat(folder.fd.get(), &folder.status) < 0) return -errno;
  return mount_id(folder.fd.get(), folder.mount);
}

// Joining a mount namespace leads to its root, also where it is the own one.
int join_own_mounts() {
  unique_fd self;
  const int result = opened(sys_pidfd_open(getpid()), self);
  return result < 0 ? result : checked_int(setns(self.get(), CLONE_NEWNS));
}

}  // namespace

int look_for_chroot() {
  Folder root, here, top;
  int result = open_folder("/", root);
  if (result == 0) result = open_folder(".", here);
  if (result < 0) return result;
  result = join_own_mounts();
  if (result == -EPERM) return 0;
  if (result == 0) result = open_folder("/", top);
  if (result < 0) return result;
  is_in_chroot = top.mount != root.mount || top.status.st_ino != root.status.st_ino;
  if (is_in_chroot && (fchdir(root.fd.get()) < 0 || chroot(".") < 0)) return -errno;
  return checked_int(fchdir(here.fd.get()));
}

bool in_chroot() { return is_in_chroot; }

int leave_chroot() {
  const int result = join_own_mounts();
  return result < 0 ? result : checked_int(mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr));
}

}  // namespace nacelle
