#include "entry.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "file_data.h"
#include "folder.h"
#include "implied.h"
#include "path.h"
#include "xattrs.h"

namespace nacelle::layer {
namespace {

constexpr mode_t kPermissions = 0777;
constexpr mode_t kOfNewFolder = kPermissions | S_ISVTX;                       // what mkdir(2) takes of a mode
constexpr uint32_t kMostMajor = (1U << 12) - 1, kMostMinor = (1U << 20) - 1;  // the kernel's dev_t

int failed(const TarEntry& entry, int error, const char* what, Failure& why) {
  return fail(why, error < 0 ? -error : error, "entry %s: %s", shown(entry.name).c_str(), what);
}

int own_failed(const TarEntry& entry, int error, Failure& why) {
  // the kernel says so of an id alone that is none in its user namespace
  if (error != EINVAL) return failed(entry, error, "setting its owner", why);
  return fail(why, kNobodys, "entry %s: its owner, %u:%u, is none here", shown(entry.name).c_str(), entry.uid, entry.gid);
}

bool owns(const Owner& owner, const TarEntry& entry) { return owner.uid == entry.uid && owner.gid == entry.gid; }

// Calls `make` (0 or more, or -errno). Where something is in the way, this clears it and calls `make` again, a bounded number of times, as
// somebody else may keep making it.
template <typename Make>
int replacing(Unpacking& work, int parent, const char* name, Make make, bool& hid) {
  int result = make();
  for (int attempt = 0; result == -EEXIST && attempt < 8; ++attempt) {
    bool whiteout = false;
    const int cleared = work.tree.clear(parent, name, whiteout);
    if (cleared < 0) return cleared;
    hid = hid || whiteout;
    result = make();
  }
  return result;
}

int make_file(Unpacking& work, const TarEntry& entry, const std::string& path, int parent, const char* name, Failure& why) {
  bool hid = false;
  // In the store the file mostly has its mode from the beginning, for the umask is 0; elsewhere others could open it before it has its
  // owner. Set-id bits come at the end, since a change of owner clears them, and an ACL, inherited or the entry's own, changes the mode.
  const bool has_mode = work.tree.overlay() && (entry.mode & ~kPermissions) == 0 && entry.xattrs.empty() && !work.tree.inherits();
  const auto make = [&] {
    const int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, has_mode ? entry.mode : 0600);
    return fd < 0 ? -errno : fd;
  };
  const int made = replacing(work, parent, name, make, hid);
  if (made < 0) return failed(entry, made, "making it", why);
  const unique_fd file(made);
  if (const int result = write_data(file.get(), work.reader, entry, why); result < 0) return result;
  Owner owner{};
  if (const int result = work.tree.made_file(file.get(), owner); result < 0) return failed(entry, result, "stat", why);
  // The owner comes before mode and attributes, since a change of owner clears set-id bits and capabilities. Mostly there is nothing to
  // change.
  if (!owns(owner, entry) && fchown(file.get(), entry.uid, entry.gid) < 0) return own_failed(entry, errno, why);
  if (const int result = set_xattrs(file.get(), entry.xattrs, !work.tree.inherits(), path, why); result < 0) return result;
  if (!has_mode && fchmod(file.get(), entry.mode) < 0) return failed(entry, errno, "setting its mode", why);
  const struct timespec times[2] = {entry.mtime, entry.mtime};
  if (futimens(file.get(), times) < 0) return failed(entry, errno, "setting its time", why);
  return 0;
}

// Makes the folder with `mode`, or opens the one that is there. `fresh` tells whether it was made.
int make_or_open(Unpacking& work, int parent, const char* name, mode_t mode, unique_fd& folder, bool& fresh) {
  bool hid = false;
  const auto make = [&] { return mkdirat(parent, name, mode) < 0 ? -errno : 0; };
  int result = make();
  fresh = result == 0;
  if (result == -EEXIST) {
    struct stat status;
    if (status_of(parent, name, status) == 0 && S_ISDIR(status.st_mode)) return open_folder(parent, name, folder);
    result = replacing(work, parent, name, make, hid);
    fresh = true;
  }
  if (result < 0) return result;
  if (result = open_folder(parent, name, folder); result < 0) return result;
  return hid ? work.tree.hide_below(folder.get()) : 0;
}

// Makes a symlink, FIFO or device, which can't be changed by a descriptor.
template <typename Make>
int make_node(Unpacking& work, const TarEntry& entry, const std::string& path, int parent, const char* name, Make make, Failure& why) {
  bool hid = false;
  if (const int result = replacing(work, parent, name, make, hid); result < 0) return failed(entry, result, "making it", why);
  const bool ours = work.tree.owner() && owns(*work.tree.owner(), entry);
  if (!ours && fchownat(parent, name, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) < 0) return own_failed(entry, errno, why);
  if (const int result = set_xattrs_at(parent, name, entry.xattrs, !work.tree.inherits(), path, why); result < 0) return result;
  const struct timespec times[2] = {entry.mtime, entry.mtime};
  if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0) return failed(entry, errno, "setting its time", why);
  if (const int result = work.tree.made(parent, name); result < 0) return failed(entry, result, "stat", why);
  return 0;
}

// Leaves a device out that can't be made. In a layer it hides what lower layers have at its place all the same.
int leave_out(Unpacking& work, const TarEntry& entry, int parent, const char* name, Failure& why) {
  bool hid = false;
  int result = work.tree.clear(parent, name, hid);
  if (result == 0 && work.tree.overlay()) result = work.tree.whiteout(parent, name);
  return result < 0 ? failed(entry, result, "leaving it out", why) : 0;
}

int make_special(Unpacking& work, const TarEntry& entry, const std::string& path, int parent, const char* name, Failure& why) {
  dev_t device = 0;
  mode_t type = S_IFIFO;
  if (entry.type != tar::kFifo) {
    type = entry.type == tar::kCharacter ? S_IFCHR : S_IFBLK;
    device = makedev(entry.major, entry.minor);
    if (!work.options.devices) return failed(entry, EPERM, "device nodes are not allowed here", why);
    if (device == 0 && !work.options.plain) return failed(entry, EPERM, "the device 0:0 would be a whiteout", why);
    if (entry.major > kMostMajor || entry.minor > kMostMinor) return failed(entry, EBADMSG, "there is no such device number", why);
    if (work.options.by_user) return leave_out(work, entry, parent, name, why);
  }
  const auto make = [&] { return mknodat(parent, name, type | entry.mode, device) < 0 ? -errno : 0; };
  return make_node(work, entry, path, parent, name, make, why);
}

int make_hard_link(Unpacking& work, const TarEntry& entry, int parent, const char* name, Failure& why) {
  std::string target;
  if (const int result = check_path(entry.link, path_limits(work.options), target, why); result < 0) return result;
  if (target.empty()) return failed(entry, EPERM, "a hard link to the layer's top", why);
  const unique_fd here(fcntl(parent, F_DUPFD_CLOEXEC, 0));  // the tree's next answer takes the place of this one
  if (!here) return failed(entry, errno, "opening its folder", why);
  const SplitPath to = split_path(target);
  const int folder = work.tree.folder(to.folder, why);
  struct stat theirs, ours;
  int result = folder < 0 ? folder : status_of(folder, to.name, theirs);
  // a device that was left out
  if (result == 0 && work.options.by_user && is_whiteout_device(theirs)) return leave_out(work, entry, here.get(), name, why);
  if (result < 0 || (!work.options.plain && is_whiteout_device(theirs))) {
    return failed(entry, result < 0 ? result : -ENOENT, ("the hard link's target " + shown(entry.link) + " is not in the layer").c_str(),
                  why);
  }
  if (S_ISDIR(theirs.st_mode)) return failed(entry, EPERM, "a hard link to a folder", why);
  const bool there = status_of(here.get(), name, ours) == 0 && ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
  bool hid = false;
  const auto make = [&] { return linkat(folder, to.name, here.get(), name, 0) < 0 ? -errno : 0; };
  result = there ? 0 : replacing(work, here.get(), name, make, hid);
  if (result < 0) return failed(entry, result, ("linking it to " + shown(entry.link)).c_str(), why);
  work.tree.made(theirs);
  return 0;
}

}  // namespace

int too_many(const TarEntry& entry, Failure& why) {
  return failed(entry, kBeyondLimit, "there are more entries than maxEntries allows", why);
}

int make_folder(Unpacking& work, const TarEntry& entry, const std::string& path, int parent, const char* name, Failure& why) {
  unique_fd folder;
  bool fresh = false;
  struct stat status;
  // Until all content is there, this process must be able to write into the folder.
  const mode_t mode = entry.mode | 0700;
  // The archive's own top folder is the target, which is there.
  // elsewhere than in the store others could enter it before it has its owner
  const mode_t first = work.tree.overlay() ? mode & kOfNewFolder : 0700;
  const int result = path.empty() ? open_folder(work.tree.root(), ".", folder) : make_or_open(work, parent, name, first, folder, fresh);
  if (result < 0) return failed(entry, result, "making the folder", why);
  if (fstat(folder.get(), &status) < 0) return failed(entry, errno, "stat", why);
  if (!owns({status.st_uid, status.st_gid}, entry) && fchown(folder.get(), entry.uid, entry.gid) < 0) {
    return own_failed(entry, errno, why);
  }
  std::vector<Xattr> now;
  std::string_view acl;  // set at the end, since children would inherit it
  for (const Xattr& xattr : entry.xattrs) {
    if (xattr.name == kDefaultAcl)
      acl = xattr.value;
    else
      now.push_back(xattr);
  }
  fresh = fresh && !work.tree.inherits();
  if (const int set = set_xattrs(folder.get(), now, fresh, path, why); set < 0) return set;
  // an ACL that was set or removed changes the mode
  const bool has_mode = fresh && now.empty() && (status.st_mode & 07777) == mode;
  if (!has_mode && fchmod(folder.get(), mode) < 0) return failed(entry, errno, "setting its mode", why);
  work.tree.made(status);
  const int kept = work.times.add(work.tree.root(), path, status, entry.mode, entry.mtime, acl);
  if (kept < 0) return failed(entry, kept, "keeping its time until its content is there", why);
  work.tree.remember(path, std::move(folder));
  return 0;
}

int make_entry(Unpacking& work, const TarEntry& entry, const std::string& path, Failure& why) {
  if (path.empty()) {
    if (entry.type != tar::kDirectory) return failed(entry, EPERM, "only a folder can be the layer's top", why);
    return make_folder(work, entry, path, -1, "", why);
  }
  const SplitPath split = split_path(path);
  const int parent = folder_for(work, entry, split.folder, why);
  if (parent < 0) return parent;
  switch (entry.type) {
    case tar::kFile:
      return make_file(work, entry, path, parent, split.name, why);
    case tar::kDirectory:
      return make_folder(work, entry, path, parent, split.name, why);
    case tar::kHardLink:
      return make_hard_link(work, entry, parent, split.name, why);
    case tar::kSymlink: {
      if (entry.link.empty()) return failed(entry, EBADMSG, "a symlink to nothing", why);
      const auto make = [&] { return symlinkat(entry.link.c_str(), parent, split.name) < 0 ? -errno : 0; };
      return make_node(work, entry, path, parent, split.name, make, why);
    }
    default:
      return make_special(work, entry, path, parent, split.name, why);
  }
}

}  // namespace nacelle::layer
