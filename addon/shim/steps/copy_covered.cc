#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>
#include <climits>
#include <vector>

#include "../kernel/file_io.h"
#include "../kernel/syscalls.h"
#include "../layer/xattrs.h"
#include "resolve.h"
#include "steps.h"

namespace nacelle {
namespace {

constexpr int kDeepest = 256;

// What the file system doesn't take is left out: tmpfs has attributes of users since Linux 6.6 alone.
int bring_xattrs(int from, int to) {
  std::vector<layer::Xattr> xattrs;
  if (const int result = layer::read_xattrs(from, xattrs); result < 0) return result;
  for (const layer::Xattr& xattr : xattrs) {
    if (fsetxattr(to, xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0) < 0 && errno != EOPNOTSUPP) return -errno;
  }
  return 0;
}

// The mode comes after the owner, of which a change clears set-user-id, and attributes last: it takes away a capability too.
int bring_owner(int from, const struct stat& status, int to) {
  if (fchown(to, status.st_uid, status.st_gid) < 0 || fchmod(to, status.st_mode & 07777) < 0) return -errno;
  return bring_xattrs(from, to);
}

int bring_times(int to, const struct stat& status) {
  const timespec times[2] = {status.st_atim, status.st_mtim};
  return checked_int(futimens(to, times));
}

int bring_entries(Context& context, int from, int to, int depth);

int bring_open(Context& context, int from, const struct stat& status, int to, const char* name, int depth) {
  unique_fd target;
  int result = 0;
  if (S_ISDIR(status.st_mode)) {
    if (mkdirat(to, name, 0700) < 0) return -errno;
    target.reset(openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    result = target ? bring_entries(context, from, target.get(), depth + 1) : -errno;
  } else {
    target.reset(openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    result = target ? copy_rest(from, target.get()) : -errno;
  }
  if (result == 0) result = bring_owner(from, status, target.get());
  return result < 0 ? result : bring_times(target.get(), status);
}

int bring_link(int from, const struct stat& status, int to, const char* name) {
  char target[PATH_MAX];
  const ssize_t length = readlinkat(from, name, target, sizeof target - 1);
  if (length < 0) return -errno;
  target[length] = '\0';
  if (symlinkat(target, to, name) < 0) return -errno;
  return checked_int(fchownat(to, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW));
}

// A device, a FIFO or a socket: the name alone is copied.
int bring_node(const struct stat& status, int to, const char* name) {
  if (mknodat(to, name, status.st_mode, status.st_rdev) < 0) return -errno;
  return checked_int(fchownat(to, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW));
}

int bring_entry(Context& context, int from, const char* name, int to, int depth) {
  struct stat status {};
  if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
  if (S_ISLNK(status.st_mode)) return bring_link(from, status, to, name);
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return bring_node(status, to, name);
  // O_NONBLOCK: the name may be a FIFO's by now
  const unique_fd source(openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat opened_status {};
  if (!source || fstat(source.get(), &opened_status) < 0) return -errno;
  if ((opened_status.st_mode & S_IFMT) != (status.st_mode & S_IFMT)) return -ESTALE;
  return bring_open(context, source.get(), opened_status, to, name, depth);
}

int bring_entries(Context& context, int from, int to, int depth) {
  if (depth > kDeepest) return -ELOOP;
  Folder folder(unique_fd(openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!folder.opened()) return -errno;
  while (const char* name = folder.next()) {
    const int result = bring_entry(context, folder.fd(), name, to, depth);
    if (result < 0) return context.text[0] == '\0' ? context.on(name, result) : result;
  }
  return 0;
}

}  // namespace

int run(Context& context, const args::copy_covered& a) {
  unique_fd source;
  int result = open_in_root(context.slots.get(a.root), a.path.text, O_RDONLY | O_DIRECTORY, source);
  if (result < 0) return result == -ENOENT || result == -ENOTDIR ? 0 : result;
  struct stat status {};
  if (fstat(source.get(), &status) < 0) return -errno;
  // a mount, which can be no more than named, is opened anew to write there
  const unique_fd target(openat(context.slots.get(a.to), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!target) return -errno;
  result = bring_entries(context, source.get(), target.get(), 0);
  return result < 0 ? result : checked_int(fchown(target.get(), status.st_uid, status.st_gid));
}

}  // namespace nacelle
