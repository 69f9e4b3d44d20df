#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "../kernel/file_io.h"
#include "../kernel/syscalls.h"
#include "copy_in.h"
#include "resolve.h"
#include "steps.h"

namespace nacelle {
namespace {

int own(int at, const char* name, uint64_t uid, uint64_t gid) {
  if (uid == 0 && gid == 0) return 0;
  return checked_int(fchownat(at, name, static_cast<uid_t>(uid), static_cast<gid_t>(gid), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH));
}

template <typename Args>
dev_t device_of(const Args& a) {
  return makedev(static_cast<unsigned>(a.major), static_cast<unsigned>(a.minor));
}

template <typename Args>
int make_node(int parent, const char* name, const Args& a) {
  if (mknodat(parent, name, static_cast<mode_t>(a.mode), device_of(a)) < 0) return -errno;
  return own(parent, name, a.uid, a.gid);
}

}  // namespace

int run(Context& context, const args::mkdir& a) {
  unique_fd folder;
  bool made = false;
  int result = make_folder(context.slots.get(a.root), a.path.text, static_cast<unsigned>(a.mode), folder, made);
  if (result == 0 && made) {
    result = own(folder.get(), "", a.uid, a.gid);
    // mkdir(2) ignores these bits; the umask is 0 until the plan sets it
    if (result == 0 && (a.mode & 06000) != 0) {
      char path[32];
      std::snprintf(path, sizeof path, "/proc/self/fd/%d", folder.get());
      result = checked_int(::chmod(path, static_cast<mode_t>(a.mode)));
    }
  }
  return result < 0 ? result : context.slots.put(a.out, std::move(folder));
}

int run(Context& context, const args::symlink& a) {
  unique_fd parent;
  const char* name = nullptr;
  const int result = open_parent(context.slots.get(a.root), a.path.text, parent, name);
  return result < 0 ? result : checked_int(symlinkat(a.target.text, parent.get(), name));
}

int run(Context& context, const args::mknod& a) {
  unique_fd parent;
  const char* name = nullptr;
  const int result = open_parent(context.slots.get(a.root), a.path.text, parent, name);
  return result < 0 ? result : make_node(parent.get(), name, a);
}

int run(Context& context, const args::mknod_on& a) {
  unique_fd parent;
  const char* name = nullptr;
  int result = open_parent(context.slots.get(a.root), a.path.text, parent, name, {}, Ground(context.slots, a.on, a.mounts));
  if (result == 0) result = make_node(parent.get(), name, a);
  if (result != -EEXIST) return result;
  struct stat there;
  if (fstatat(parent.get(), name, &there, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
  return (there.st_mode & S_IFMT) == (a.mode & S_IFMT) && there.st_rdev == device_of(a) ? 0 : -EEXIST;
}

int run(Context& context, const args::write_file& a) {
  unique_fd parent;
  const char* name = nullptr;
  const Owner owner = owner_of(context, a.uid, a.gid);
  int result = open_parent(context.slots.get(a.root), a.path.text, parent, name, owner, Ground(context.slots, a.on, a.mounts));
  if (result < 0) return result;
  if (unlinkat(parent.get(), name, 0) < 0 && errno != ENOENT) return -errno;
  const unique_fd file(openat(parent.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return -errno;
  result = write_all(file.get(), a.bytes.data, a.bytes.size);
  if (result == 0) result = own(file.get(), "", owner.uid, owner.gid);
  if (result == 0) result = checked_int(fchmod(file.get(), static_cast<mode_t>(a.mode)));
  // a part of a file is worse than none
  if (result < 0) static_cast<void>(unlinkat(parent.get(), name, 0));
  return result;
}

int run(Context& context, const args::set_xattr& a) {
  unique_fd file;
  const int result = open_in_root(context.slots.get(a.root), a.path.text, O_RDONLY | O_NONBLOCK, file);
  return result < 0 ? result : checked_int(fsetxattr(file.get(), a.name.text, a.value.data, a.value.size, 0));
}

int run(Context& context, const args::copy_in& a) {
  const Ground ground(context.slots, a.on, a.mounts);
  return copy_into(context, context.slots.get(a.source), context.slots.get(a.root), a.path.text, a.mode, owner_of(context, a.uid, a.gid),
                   ground);
}

}  // namespace nacelle
