#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "../kernel/syscalls.h"
#include "chroot.h"
#include "made_in.h"
#include "overlay.h"
#include "resolve.h"
#include "steps.h"

namespace nacelle {
namespace {

// Flags of the `create` field.
constexpr uint64_t kCreateFolder = 1, kCreateFile = 2, kNoLink = 4;

int attach_to(int mount, int target) { return sys_move_mount(mount, "", target, "", kMoveMountFromEmpty | kMoveMountToEmpty); }

int attach_clone(int source, int target) {
  const unique_fd mount(sys_open_tree(source, "", OPEN_TREE_CLONE | kOpenTreeCloexec | AT_EMPTY_PATH));
  return mount ? attach_to(mount.get(), target) : -errno;
}

// Creates a file, also at the end of a dangling link: /etc/resolv.conf often is a link into /run, which is empty at first.
int create_file(int root, const char* path, const Ground& ground) {
  std::string at = path;
  for (int links = 0; links <= kMostLinks; ++links) {
    unique_fd parent;
    const char* name = nullptr;
    const int result = open_parent(root, at.c_str(), parent, name, {}, ground);
    if (result < 0) return result;
    const unique_fd file(openat(parent.get(), name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (file || errno != EEXIST) return file ? 0 : -errno;
    const int followed = follow_link(parent.get(), name, at);
    if (followed <= 0) return followed;
  }
  return -ELOOP;
}

// Opens the mount point by O_PATH. A missing one is made when `create` allows it.
int find_target(int root, const char* path, uint64_t create, const Ground& ground, unique_fd& target) {
  if ((create & kNoLink) != 0) {
    unique_fd parent;
    const char* name = nullptr;
    const int result = open_parent(root, path, parent, name, {}, ground);
    if (result < 0) return result;
    struct stat status {};
    if (fstatat(parent.get(), name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
      if (S_ISLNK(status.st_mode)) return -ELOOP;
    } else if ((create & kCreateFolder) != 0 && mkdirat(parent.get(), name, 0755) < 0 && errno != EEXIST) {
      return -errno;
    }
    return opened(checked_int(openat(parent.get(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC)), target);
  }
  if ((create & kCreateFolder) != 0) {
    bool made = false;
    return make_folder(root, path, 0755, target, made, {}, ground);
  }
  const int result = open_in_root(root, path, O_PATH, target);
  if (result != -ENOENT || (create & kCreateFile) == 0) return result;
  const int created = create_file(root, path, ground);
  return created < 0 ? created : open_in_root(root, path, O_PATH, target);
}

bool is_folder(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
}

// Whether nothing is there, so that nothing has to be hidden or protected.
bool is_missing(int error) { return error == -ENOENT || error == -ENOTDIR; }

int set_options(Context& context, int fs, const List<Str>& options) {
  for (const Str& option : options) {
    const int result = set_filesystem_option(fs, option.text);
    if (result < 0) return context.on(option.text, result);
  }
  return 0;
}

int mount_filesystem(Context& context, int fs, uint64_t attributes, int32_t out) {
  const int result = sys_fsconfig(fs, kCreate, nullptr, nullptr, 0);
  if (result < 0) return read_filesystem_log(fs, context.text, sizeof context.text), result;
  const int mount = sys_fsmount(fs, static_cast<unsigned>(attributes));
  return mount < 0 ? mount : context.slots.put(out, unique_fd(mount));
}

}  // namespace

int run(Context& context, const args::filesystem& a) {
  const unique_fd fs(sys_fsopen(a.type.text));
  if (!fs) return fs.get() == -ENODEV ? context.failed(-ENODEV, "the kernel does not have it") : -errno;
  const int result = set_options(context, fs.get(), a.options);
  return result < 0 ? result : mount_filesystem(context, fs.get(), a.attributes, a.out);
}

int run(Context& context, const args::covering_tmpfs& a) {
  const unique_fd fs(sys_fsopen("tmpfs"));
  if (!fs) return -errno;
  unique_fd covered;
  struct stat status {};
  int result = open_in_root(context.slots.get(a.root), a.path.text, O_PATH | O_DIRECTORY, covered);
  if (result == 0) {
    if (fstat(covered.get(), &status) < 0) return -errno;
    char mode[16];
    std::snprintf(mode, sizeof mode, "mode=%o", status.st_mode & 07777U);
    result = set_filesystem_option(fs.get(), mode);
  } else if (is_missing(result)) {
    result = 0;
  }
  if (result == 0) result = set_options(context, fs.get(), a.options);
  return result < 0 ? result : mount_filesystem(context, fs.get(), a.attributes, a.out);
}

int run(Context& context, const args::proc& a) {
  const unique_fd fs(sys_fsopen("proc"));
  if (!fs) return fs.get();
  int result = a.pidns < 0 ? 0 : sys_fsconfig(fs.get(), kSetFd, "pidns", nullptr, context.slots.get(a.pidns));
  if (result == 0) result = sys_fsconfig(fs.get(), kCreate, nullptr, nullptr, 0);
  if (result < 0) return read_filesystem_log(fs.get(), context.text, sizeof context.text), result;
  const int mount = sys_fsmount(fs.get(), static_cast<unsigned>(a.attributes));
  return mount < 0 ? mount : context.slots.put(a.out, unique_fd(mount));
}

int run(Context& context, const args::overlay& a) {
  unique_fd mount;
  const int result = make_overlay(context, a, mount);
  return result < 0 ? result : context.slots.put(a.out, std::move(mount));
}

int run(Context& context, const args::clone_mount& a) {
  unsigned flags = OPEN_TREE_CLONE | kOpenTreeCloexec;
  if (a.path.empty()) flags |= AT_EMPTY_PATH;
  if (a.recursive != 0) flags |= AT_RECURSIVE;
  const int mount = sys_open_tree(context.slots.get(a.at), a.path.text, flags);
  return mount < 0 ? mount : context.slots.put(a.out, unique_fd(mount));
}

// A copy is of the namespace that its maker is in, with what is locked there.
int run(Context& context, const args::clone_mount_in& a) {
  const unsigned flags = OPEN_TREE_CLONE | kOpenTreeCloexec | (a.recursive != 0 ? AT_RECURSIVE : 0U);
  const int ns = context.slots.get(a.ns);
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/root", context.process);
  const unique_fd root(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return context.process == 0 ? -ESRCH : -errno;
  unique_fd mount;
  const int result = in_sharing_process([&] {
    if (::setns(ns, CLONE_NEWNS) < 0) return -errno;
    // in a chroot the namespace has another root than the process whose paths these are
    if (fchdir(root.get()) < 0 || chroot(".") < 0) return -errno;
    return opened(sys_open_tree(AT_FDCWD, a.path.text, flags), mount);
  });
  return result < 0 ? result : context.slots.put(a.out, std::move(mount));
}

// The way back is to the own namespace, root and current folder: joining a mount namespace changes all three.
int run(Context& context, const args::clone_mount_of& a) {
  const unique_fd home(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
  const unique_fd root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const unique_fd folder(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!home || !root || !folder) return -errno;
  int result = checked_int(setns(context.slots.get(a.ns), CLONE_NEWNS));
  if (result < 0) return result;
  unique_fd mount(sys_open_tree(context.slots.get(a.mount), "", OPEN_TREE_CLONE | kOpenTreeCloexec | AT_EMPTY_PATH));
  const int bound = mount ? 0 : -errno;
  result = checked_int(setns(home.get(), CLONE_NEWNS));
  if (result == 0) result = checked_int(fchdir(root.get()));
  if (result == 0) result = checked_int(chroot("."));
  if (result == 0) result = checked_int(fchdir(folder.get()));
  if (result < 0) return result;
  return bound < 0 ? bound : context.slots.put(a.out, std::move(mount));
}

int run(Context& context, const args::set_mount& a) {
  MountAttributes attributes;
  attributes.set = a.set;
  attributes.clear = a.clear;
  attributes.propagation = a.propagation;
  const unsigned flags = AT_EMPTY_PATH | (a.recursive != 0 ? AT_RECURSIVE : 0U);
  return sys_mount_setattr(context.slots.get(a.mount), "", flags, attributes);
}

int run(Context& context, const args::idmap& a) {
  MountAttributes attributes;
  attributes.set = kMountAttrIdmap;
  attributes.userns_fd = static_cast<uint64_t>(context.slots.get(a.users));
  const unsigned flags = AT_EMPTY_PATH | (a.recursive != 0 ? AT_RECURSIVE : 0U);
  return context.on(a.path.text, sys_mount_setattr(context.slots.get(a.mount), "", flags, attributes));
}

int run(Context&, const args::set_propagation& a) {
  const auto set = [](const void* argument) {
    const auto& [path, propagation] = *static_cast<const args::set_propagation*>(argument);
    return checked_int(mount(nullptr, path.text, nullptr, static_cast<unsigned long>(propagation) | MS_REC, nullptr));
  };
  // what lies outside of a chroot would stay shared with the machine
  return std::strcmp(a.path.text, "/") == 0 ? at_namespace_root(set, &a) : set(&a);
}

int run(Context& context, const args::attach& a) {
  const Ground ground(context.slots, a.on, a.mounts);
  const int root = context.slots.get(a.root);
  unique_fd target;
  int result = find_target(root, a.path.text, a.create, ground, target);
  if (result == -ELOOP && (a.create & kNoLink) != 0)
    return context.failed(result, "it must be mounted on ordinary directory, and the mount point is a symbolic link");
  // a mount on other ground would be visible wherever the mount below it is shared
  if (result == 0) result = ground.holds(target.get(), root, a.path.text);
  return result < 0 ? result : attach_to(context.slots.get(a.mount), target.get());
}

int run(Context& context, const args::attach_at& a) {
  return sys_move_mount(context.slots.get(a.mount), "", context.slots.get(a.at), a.path.text, kMoveMountFromEmpty);
}

int run(Context&, const args::share_folder& a) {
  // without the lock two processes at once would mount it twice
  const unique_fd lock(::open(a.path.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock || flock(lock.get(), LOCK_EX | LOCK_NB) < 0) return -errno;
  const auto share = [&a] { return checked_int(mount("", a.path.text, "none", MS_SHARED | MS_REC, nullptr)); };
  const int result = share();
  if (result != -EINVAL) return result;
  // EINVAL: the folder is no mount yet
  if (mount(a.path.text, a.path.text, "none", MS_BIND | MS_REC, nullptr) < 0) return -errno;
  return share();
}

int run(Context& context, const args::require_mount& a) {
  unique_fd there;
  const int result = open_in_root(context.slots.get(a.root), a.path.text, O_PATH, there);
  if (result < 0) return result;
  uint64_t found = 0, wanted = 0;
  const int looked = mount_id(there.get(), found);
  const int knew = mount_id(context.slots.get(a.mount), wanted);
  if (looked < 0 || knew < 0) return looked < 0 ? looked : knew;
  return found == wanted ? 0 : context.failed(-EXDEV, "somebody moved it away while the container was set up");
}

int run(Context& context, const args::detach& a) {
  const unique_fd target(openat(context.slots.get(a.at), a.path.text, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!target) return errno == ENOENT ? 0 : -errno;
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", target.get());
  const int result = checked_int(umount2(path, MNT_DETACH));
  return result == -EINVAL ? 0 : result;  // EINVAL: the path is no mount point
}

int run(Context& context, const args::enter_folder& a) { return checked_int(fchdir(context.slots.get(a.folder))); }

int run(Context& context, const args::pivot& a) {
  // else the namespace would keep its own root with all mounts of the machine, and whoever joins it later, as `exec` does, would begin
  // there
  int result = in_chroot() ? leave_chroot() : 0;
  if (result < 0) return result;
  if (fchdir(context.slots.get(a.root)) < 0) return -errno;
  result = sys_pivot_root(".", ".");
  if (result < 0) return result;
  // the old root now lies on top of the new one, and on the old root the mounts that were stacked there: '.' names the topmost
  for (uint64_t left = a.between + 1; left > 0; --left) {
    if (umount2(".", MNT_DETACH) < 0) return -errno;
  }
  return checked_int(::chdir("/"));
}

int run(Context& context, const args::mask& a) {
  const int file = context.slots.get(a.file);
  struct stat null_device {};
  if (fstat(file, &null_device) < 0) return -errno;
  // CVE-2025-31133: the image may have anything at the path /dev/null
  if (!S_ISCHR(null_device.st_mode) || null_device.st_rdev != makedev(1, 3))
    return context.failed(-EXDEV, "/dev/null is not the null device");
  // before 6.15 a mount that is attached nowhere can't be cloned, so the mount itself covers the first folder, and clones the others
  bool placed = false;
  auto root = a.roots.begin();
  if (a.roots.size() != a.paths.size()) return -EPROTO;
  for (const Str& path : a.paths) {
    unique_fd target;
    const int found = open_in_root(context.slots.get(*root), path.text, O_PATH, target);
    ++root;
    if (is_missing(found)) continue;
    if (found < 0) return context.on(path.text, found);
    const bool folder = is_folder(target.get());
    const int source = folder ? context.slots.get(a.folder) : file;
    const int result = !folder || placed ? attach_clone(source, target.get()) : attach_to(source, target.get());
    if (result < 0) return context.on(path.text, result);
    placed = placed || folder;
  }
  return 0;
}

int run(Context& context, const args::readonly& a) {
  auto root = a.roots.begin();
  if (a.roots.size() != a.paths.size()) return -EPROTO;
  for (const Str& path : a.paths) {
    unique_fd target;
    int result = open_in_root(context.slots.get(*root), path.text, O_PATH, target);
    ++root;
    if (is_missing(result)) continue;
    if (result < 0) return context.on(path.text, result);
    const unique_fd mount(sys_open_tree(target.get(), "", OPEN_TREE_CLONE | kOpenTreeCloexec | AT_EMPTY_PATH | AT_RECURSIVE));
    if (!mount) return context.on(path.text, -errno);
    MountAttributes attributes;
    attributes.set = 1;  // MOUNT_ATTR_RDONLY
    result = sys_mount_setattr(mount.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, attributes);
    if (result == 0) result = attach_to(mount.get(), target.get());
    if (result < 0) return context.on(path.text, result);
  }
  return 0;
}

}  // namespace nacelle
