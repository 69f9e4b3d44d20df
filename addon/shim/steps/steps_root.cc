#include <sys/mount.h>
#include <unistd.h>

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "../kernel/mountinfo.h"
#include "../kernel/syscalls.h"
#include "chroot.h"
#include "ground.h"
#include "steps.h"

// A new root without pivot_root(2), which the kernel refuses where the host's root is the first one it had, as in an initramfs.
namespace nacelle {
namespace {

// The kernel's own views of the machine.
bool is_kernels(const MountInfo& mount) { return mount.type == "proc" || mount.type == "sysfs"; }

// Whether a mount is the root itself or lies on what does.
bool lies_on(const std::vector<MountInfo>& mounts, uint64_t id, uint64_t root) {
  // no line of parents is longer than all mounts
  for (size_t count = 0; count <= mounts.size(); ++count) {
    if (id == root) return true;
    const auto found = std::find_if(mounts.begin(), mounts.end(), [id](const MountInfo& mount) { return mount.id == id; });
    if (found == mounts.end() || found->parent == id) return false;
    id = found->parent;
  }
  return false;
}

// Unmounts the last of the host's views that is left. @returns 0 without one, 1 when there may be others, or -errno
int unmount_last(Context& context, int mountinfo, uint64_t root) {
  std::vector<MountInfo> mounts;
  int result = read_mountinfo(mountinfo, mounts);
  if (result < 0) return context.on("/proc/self/mountinfo", result);
  const auto last = std::find_if(mounts.rbegin(), mounts.rend(),
                                 [&](const MountInfo& mount) { return is_kernels(mount) && !lies_on(mounts, mount.id, root); });
  if (last == mounts.rend()) return 0;
  unique_fd fd;
  result = opened(checked_int(open(last->path.c_str(), O_PATH | O_CLOEXEC)), fd);
  uint64_t id = 0;
  if (result == 0) result = mount_id(fd.get(), id);
  // what lies under another mount would stay, and count as seen by whoever mounts proc anew
  if (result == 0 && id != last->id) result = -EBUSY;
  if (result == 0) result = checked_int(umount2(last->path.c_str(), MNT_DETACH));
  return result < 0 ? context.on(last->path.c_str(), result) : 1;
}

int enter(int root) {
  if (fchdir(root) < 0) return -errno;
  if (chroot(".") < 0) return -errno;
  return checked_int(::chdir("/"));
}

}  // namespace

int run(Context& context, const args::change_root& a) {
  if (in_chroot()) return context.failed(-EOPNOTSUPP, "in a chroot the mount namespace would keep the machine's root");
  // the file stays when proc itself is unmounted
  const unique_fd mountinfo(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!mountinfo) return context.on("/proc/self/mountinfo", -errno);
  uint64_t root = 0;
  int result = mount_id(context.slots.get(a.root), root);
  if (result < 0) return result;
  do {
    result = unmount_last(context, mountinfo.get(), root);
  } while (result > 0);
  if (result < 0) return result;
  return enter(context.slots.get(a.root));
}

int run(Context& context, const args::enter_root& a) { return enter(context.slots.get(a.root)); }

}  // namespace nacelle
