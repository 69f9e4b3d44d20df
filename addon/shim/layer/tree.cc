#include "tree.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>

#include "../kernel/syscalls.h"
#include "folder.h"
#include "remove_tree.h"
#include "xattrs.h"

namespace nacelle::layer {
namespace {

constexpr uint64_t kInRoot = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

}  // namespace

int Tree::open(const std::string& path, int flags, unique_fd& out) const {
  const char* where = path.empty() ? "." : path.c_str();
  return opened(sys_openat2(root_, where, static_cast<uint64_t>(flags | O_NOFOLLOW | O_CLOEXEC), 0, kInRoot), out);
}

int Tree::resolve(const char* path, unique_fd& out) const {
  return opened(sys_openat2(root_, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, kInRoot), out);
}

int Tree::folder(std::string_view path, Failure& why) {
  if (last_ && path == last_path_) return last_.get();
  const std::string text(path);
  unique_fd found;
  const int result = resolve(path.empty() ? "." : text.c_str(), found);
  if (result < 0) {
    if (result == -ENOENT || result == -ENOTDIR) return result;
    return fail(why, -result, "the folder %s: opening it", shown(path).c_str());
  }
  remember(path, std::move(found));
  // A folder that this layer has made gets its ACL only at the end, but a folder that was there before may have one.
  unique_fd readable;
  inherits_ = !overlay_ && open_folder(last_.get(), ".", readable) == 0 && has_default_acl(readable.get());
  return last_.get();
}

void Tree::remember(std::string_view path, unique_fd folder) {
  last_path_ = path;
  last_ = std::move(folder);
  inherits_ = false;
  owner_.reset();
}

int Tree::clear(int parent, const char* name, bool& hid) {
  struct stat status;
  hid = false;
  if (const int result = status_of(parent, name, status); result < 0) return result == -ENOENT ? 0 : result;
  hid = overlay_ && is_whiteout_device(status);
  // A path through what is removed may now lead elsewhere, so the remembered folder is forgotten.
  if (S_ISDIR(status.st_mode) || S_ISLNK(status.st_mode)) last_path_.assign(1, '\0');
  return remove_tree(parent, name, {nullptr, false});
}

int Tree::made(int parent, const char* name) {
  if (overlay_) return 0;
  struct stat status;
  if (const int result = status_of(parent, name, status); result < 0) return result;
  ours_.add(status);
  return 0;
}

void Tree::made(const struct stat& status) {
  if (!overlay_) ours_.add(status);
}

int Tree::made_file(int file, Owner& owner) {
  if (owner_) {
    owner = *owner_;
    return 0;
  }
  struct stat status;
  if (fstat(file, &status) < 0) return -errno;
  made(status);
  owner = Owner{status.st_uid, status.st_gid};
  // elsewhere than in the store others may give the folder to another group before the next entry
  if (overlay_) owner_ = owner;
  return 0;
}

int Tree::count() {
  if (left_ == 0) return -kBeyondLimit;
  --left_;
  return 0;
}

int Tree::hide_below(int folder) {
  unique_fd readable;
  if (const int result = open_folder(folder, ".", readable); result < 0) return result;
  if (overlay_) return fsetxattr(readable.get(), opaque_, "y", 1, 0) < 0 ? -errno : 0;
  last_path_.assign(1, '\0');
  std::vector<std::string> names;
  if (const int result = read_names(readable.get(), names); result < 0) return result;
  for (const std::string& name : names) {
    if (const int result = remove_tree(readable.get(), name.c_str(), {&ours_, false}); result < 0) return result;
  }
  return 0;
}

int Tree::whiteout(int parent, const char* name) {
  struct stat status;
  const int found = status_of(parent, name, status);
  if (found < 0 && found != -ENOENT) return found;
  if (!overlay_) {
    last_path_.assign(1, '\0');
    return remove_tree(parent, name, {&ours_, false});
  }
  if (found == -ENOENT) return mknodat(parent, name, S_IFCHR, makedev(0, 0)) < 0 ? -errno : 0;
  // A whiteout hides only lower layers. What this layer has hides them already, except that a folder is merged with theirs.
  if (!S_ISDIR(status.st_mode)) return 0;
  unique_fd folder;
  if (const int result = open_folder(parent, name, folder); result < 0) return result;
  return hide_below(folder.get());
}

}  // namespace nacelle::layer
