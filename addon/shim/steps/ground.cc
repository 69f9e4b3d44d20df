#include "ground.h"

#include <sys/stat.h>

#include <climits>
#include <string>

#include "../kernel/syscalls.h"
#include "resolve.h"

namespace nacelle {
namespace {

constexpr int kMostFolders = PATH_MAX / 2;  // more than a path can name
constexpr int kUnknown = 1;

int look(int at, const char* name, int flags, uint64_t& mount, unsigned& mode) {
  struct statx status {};
  if (statx(at, name, flags, STATX_MNT_ID | STATX_TYPE, &status) < 0) return -errno;
  mount = status.stx_mnt_id;
  mode = status.stx_mode;
  return (status.stx_mask & STATX_MNT_ID) != 0 ? 0 : -EOPNOTSUPP;
}

// 1 when `wanted` is one of the mounts, 0 when not, or -errno.
int is_among(const Slots& slots, const List<int32_t>& mounts, uint64_t wanted) {
  for (const int32_t slot : mounts) {
    uint64_t mount = 0;
    const int result = mount_id(slots.get(slot), mount);
    if (result < 0) return result;
    if (mount == wanted) return 1;
  }
  return 0;
}

}  // namespace

int mount_id(int fd, uint64_t& id) {
  unsigned mode = 0;
  return look(fd, "", AT_EMPTY_PATH, id, mode);
}

int leads_elsewhere(Context& context, const char* path) {
  std::snprintf(context.text, sizeof context.text,
                "%s%sa link of the image leads it into another mount; use the path at which that is mounted", path,
                *path == '\0' ? "" : ": ");
  return -EXDEV;
}

// 0 for a mount of `on`, -EXDEV for another of `mounts`, kUnknown for any other, or -errno.
int Ground::belongs(uint64_t mount) const {
  const int held = is_among(*slots_, on_, mount);
  if (held != 0) return held < 0 ? held : 0;
  const int known = is_among(*slots_, mounts_, mount);
  if (known != 0) return known < 0 ? known : -EXDEV;
  return kUnknown;
}

int Ground::holds(int folder) const {
  if (on_.size() == 0) return 0;
  unique_fd above;
  uint64_t last = 0;
  // '..' of a mount's root lies in the mount below it, so neither a link nor a rename leads past that mount
  for (int at = folder, depth = 0; depth < kMostFolders; at = above.get(), ++depth) {
    uint64_t mount = 0;
    int result = mount_id(at, mount);
    if (result == 0 && (depth == 0 || mount != last)) {
      result = belongs(mount);
      if (result != kUnknown) return result;
    }
    last = mount;
    if (result >= 0) result = opened(checked_int(openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC)), above);
    if (result < 0) return result;
  }
  return -EXDEV;
}

int Ground::holds(int fd, int root, const char* path) const {
  if (on_.size() == 0) return 0;
  uint64_t mount = 0, found = 0;
  unsigned mode = 0;
  int result = look(fd, "", AT_EMPTY_PATH, mount, mode);
  if (result < 0) return result;
  if (S_ISDIR(mode)) return holds(fd);
  result = belongs(mount);
  if (result != kUnknown) return result;
  // a file has no '..', so its folder is found by its path, after all links in it are followed
  std::string at = path;
  for (int links = 0; links <= kMostLinks; ++links) {
    unique_fd parent;
    const char* name = nullptr;
    result = open_parent(root, at.c_str(), parent, name, {}, *this);
    if (result == 0) result = look(parent.get(), name, AT_SYMLINK_NOFOLLOW, found, mode);
    if (result < 0) return result;
    // another file of the same mount gives the same answer, since only the mount counts
    if (!S_ISLNK(mode)) return found == mount ? holds(parent.get()) : -EXDEV;
    result = follow_link(parent.get(), name, at);
    if (result < 0) return result;
  }
  return -ELOOP;
}

}  // namespace nacelle
