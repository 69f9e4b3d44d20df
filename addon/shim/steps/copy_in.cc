#include "copy_in.h"

#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "../kernel/file_io.h"
#include "../kernel/syscalls.h"
#include "resolve.h"

namespace nacelle {
namespace {

constexpr int kMaxDepth = 256;

struct Wanted {
  uint64_t mode;
  Owner owner;
  const Ground& ground;
};

int own(int fd, const struct stat& source, const Wanted& want) {
  if (fchown(fd, want.owner.uid, want.owner.gid) < 0) return -errno;
  const mode_t mode = want.mode == kByDefault ? source.st_mode : static_cast<mode_t>(want.mode);
  return checked_int(fchmod(fd, mode & 07777));  // after chown, which clears setuid
}

int copy_entry(Context& context, int from, const char* from_name, int to, const Wanted& want, int depth);

int copy_folder(Context& context, int from, const struct stat& status, int to, const char* name, const Wanted& want, int depth) {
  if (depth > kMaxDepth) return -ELOOP;
  const bool made = mkdirat(to, name, 0755) == 0;
  if (!made && errno != EEXIST) return -errno;
  const unique_fd target(openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!target) return -errno;
  // another mount may lie here, where a link of the image has led
  const int held = made ? 0 : want.ground.holds(target.get());
  if (held < 0) return held == -EXDEV ? leads_elsewhere(context, name) : held;
  Folder folder(unique_fd(openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!folder.opened()) return -errno;
  while (const char* entry = folder.next()) {
    const int result = copy_entry(context, folder.fd(), entry, target.get(), want, depth + 1);
    if (result < 0) return result;
  }
  // a mode that was asked for applies to files alone, since a folder needs its search bits
  return made ? own(target.get(), status, Wanted{kByDefault, want.owner, want.ground}) : 0;
}

int copy_file(int from, const struct stat& status, int to, const char* name, const Wanted& want) {
  if (unlinkat(to, name, 0) < 0 && errno != ENOENT) return -errno;
  const unique_fd target(openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!target) return -errno;
  int result = copy_rest(from, target.get());
  if (result == 0) result = own(target.get(), status, want);
  // a part of a file is worse than none
  if (result < 0) static_cast<void>(unlinkat(to, name, 0));
  return result;
}

int copy_link(int from, int to, const char* name, const Owner& owner) {
  char target[PATH_MAX];
  const ssize_t length = readlinkat(from, name, target, sizeof target - 1);
  if (length < 0) return -errno;
  target[length] = '\0';
  if (unlinkat(to, name, 0) < 0 && errno != ENOENT) return -errno;
  if (symlinkat(target, to, name) < 0) return -errno;
  return checked_int(fchownat(to, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW));
}

// Copies what is open. Devices, FIFOs and sockets are an error, so that nothing is left out in silence.
int copy_opened(Context& context, int source, int to, const char* name, const Wanted& want, int depth) {
  struct stat status {};
  if (fstat(source, &status) < 0) return -errno;
  if (S_ISDIR(status.st_mode)) return copy_folder(context, source, status, to, name, want, depth);
  return S_ISREG(status.st_mode) ? copy_file(source, status, to, name, want) : -EINVAL;
}

int copy_entry(Context& context, int from, const char* name, int to, const Wanted& want, int depth) {
  struct stat status {};
  if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0) return context.on(name, -errno);
  if (S_ISLNK(status.st_mode)) return copy_link(from, to, name, want.owner);
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return context.on(name, -EINVAL);
  // O_NONBLOCK: it may be a FIFO by now
  const unique_fd source(openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!source) return context.on(name, -errno);
  const int result = copy_opened(context, source.get(), to, name, want, depth);
  return result < 0 && context.text[0] == '\0' ? context.on(name, result) : result;
}

}  // namespace

Owner owner_of(const Context& context, uint64_t uid, uint64_t gid) {
  return {uid == kByDefault ? context.account.uid : static_cast<uid_t>(uid),
          gid == kByDefault ? context.account.gid : static_cast<gid_t>(gid)};
}

int copy_into(Context& context, int source, int root, const char* path, uint64_t mode, const Owner& owner, const Ground& ground) {
  unique_fd parent;
  const char* last = nullptr;
  int result = open_parent(root, path, parent, last, owner, ground);
  if (result < 0) return result;
  char name[NAME_MAX + 1];
  const size_t length = std::strcspn(last, "/");
  if (length >= sizeof name) return -ENAMETOOLONG;
  std::memcpy(name, last, length);
  name[length] = '\0';
  result = copy_opened(context, source, parent.get(), name, Wanted{mode, owner, ground}, 0);
  return result == -EINVAL && context.text[0] == '\0' ? context.failed(result, "the source is neither a file nor a folder") : result;
}

}  // namespace nacelle
