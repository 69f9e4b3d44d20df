#include "copy.h"

#include <dirent.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "resolve.h"
#include "syscalls.h"

namespace nacelle {
namespace {

constexpr int kMaxDepth = 256;

struct Ownership {
  uint64_t mode, uid, gid;
};

class Folder {
 public:
  explicit Folder(unique_fd fd) : stream_(fdopendir(fd.get())) {
    if (stream_ != nullptr) static_cast<void>(fd.release());  // the stream owns it from here
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    if (stream_ != nullptr) closedir(stream_);
  }
  bool opened() const { return stream_ != nullptr; }
  int fd() const { return dirfd(stream_); }
  // The next name, without '.' and '..'; nullptr at the end.
  const char* next() {
    while (const dirent* entry = readdir(stream_)) {
      if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) return entry->d_name;
    }
    return nullptr;
  }

 private:
  DIR* stream_;
};

int write_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t count = write(fd, data, size);
    if (count < 0) {
      if (errno == EINTR) continue;
      return -errno;
    }
    data += count;
    size -= static_cast<size_t>(count);
  }
  return 0;
}

// As many bytes as there are, or exactly `limit`.
int pump(int from, int to, uint64_t limit, uint64_t& moved) {
  char buffer[64 * 1024];
  moved = 0;
  while (moved < limit) {
    const uint64_t left = limit - moved;
    const ssize_t count = read(from, buffer, left < sizeof buffer ? static_cast<size_t>(left) : sizeof buffer);
    if (count < 0) return -errno;
    if (count == 0) return 0;
    const int result = write_all(to, buffer, static_cast<size_t>(count));
    if (result < 0) return result;
    moved += static_cast<uint64_t>(count);
  }
  return 0;
}

int own(int fd, const struct stat& source, const Ownership& want) {
  const uid_t uid = want.uid == kAsSource ? source.st_uid : static_cast<uid_t>(want.uid);
  const gid_t gid = want.gid == kAsSource ? source.st_gid : static_cast<gid_t>(want.gid);
  if (fchown(fd, uid, gid) < 0) return -errno;
  const mode_t mode = want.mode == kAsSource ? source.st_mode : static_cast<mode_t>(want.mode);
  return checked_int(fchmod(fd, mode & 07777));  // after chown, which clears setuid
}

int copy_entry(Context& context, int from, const char* from_name, int to, const char* name, const Ownership& want, int depth);

int copy_folder(Context& context, int from, const struct stat& status, int to, const char* name, const Ownership& want, int depth) {
  if (depth > kMaxDepth) return -ELOOP;
  if (mkdirat(to, name, 0755) < 0 && errno != EEXIST) return -errno;
  const unique_fd target(openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!target) return -errno;
  Folder folder(unique_fd(openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!folder.opened()) return -errno;
  while (const char* entry = folder.next()) {
    const int result = copy_entry(context, folder.fd(), entry, target.get(), entry, want, depth + 1);
    if (result < 0) return result;
  }
  // a mode that was asked for is the files'; a folder needs its search bits
  return own(target.get(), status, Ownership{kAsSource, want.uid, want.gid});
}

int copy_file(int from, const struct stat& status, int to, const char* name, const Ownership& want) {
  if (unlinkat(to, name, 0) < 0 && errno != ENOENT) return -errno;
  const unique_fd target(openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!target) return -errno;
  uint64_t moved = 0;
  const int result = pump(from, target.get(), UINT64_MAX, moved);
  return result < 0 ? result : own(target.get(), status, want);
}

int copy_link(int from, const char* from_name, int to, const char* name, const struct stat& status, const Ownership& want) {
  char target[PATH_MAX];
  const ssize_t length = readlinkat(from, from_name, target, sizeof target - 1);
  if (length < 0) return -errno;
  target[length] = '\0';
  if (unlinkat(to, name, 0) < 0 && errno != ENOENT) return -errno;
  if (symlinkat(target, to, name) < 0) return -errno;
  const uid_t uid = want.uid == kAsSource ? status.st_uid : static_cast<uid_t>(want.uid);
  const gid_t gid = want.gid == kAsSource ? status.st_gid : static_cast<gid_t>(want.gid);
  return checked_int(fchownat(to, name, uid, gid, AT_SYMLINK_NOFOLLOW));
}

int copy_entry(Context& context, int from, const char* from_name, int to, const char* name, const Ownership& want, int depth) {
  struct stat status {};
  if (fstatat(from, from_name, &status, AT_SYMLINK_NOFOLLOW) < 0) return context.on(from_name, -errno);
  if (S_ISLNK(status.st_mode)) return copy_link(from, from_name, to, name, status, want);
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
    return context.on(from_name, -EINVAL);  // devices, FIFOs and sockets are not copied, and not left out in silence
  }
  const unique_fd source(openat(from, from_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!source) return context.on(from_name, -errno);
  const int result = S_ISDIR(status.st_mode) ? copy_folder(context, source.get(), status, to, name, want, depth)
                                             : copy_file(source.get(), status, to, name, want);
  return result < 0 && context.text[0] == '\0' ? context.on(from_name, result) : result;
}

struct Output {
  int to;
  uint64_t left;
};

int send_file(Output& output, int fd, const struct stat& status, const char* path) {
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size > output.left) return -EFBIG;
  output.left -= size;
  const auto length = static_cast<uint32_t>(std::strlen(path));
  char head[1 + sizeof length + PATH_MAX + sizeof size];
  head[0] = 1;
  std::memcpy(head + 1, &length, sizeof length);
  std::memcpy(head + 1 + sizeof length, path, length);
  std::memcpy(head + 1 + sizeof length + length, &size, sizeof size);
  int result = write_all(output.to, head, 1 + sizeof length + length + sizeof size);
  uint64_t moved = 0;
  if (result == 0) result = pump(fd, output.to, size, moved);
  // the size was promised: a file that shrank is an error, not a shorter record
  return result == 0 && moved != size ? -EIO : result;
}

int send_tree(Output& output, int at, const char* name, char* path, size_t length, int depth) {
  if (depth > kMaxDepth) return -ELOOP;
  // O_NONBLOCK: what is there may be a FIFO that nobody writes to
  unique_fd fd(openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return errno == ELOOP || errno == ENXIO ? 0 : -errno;
  struct stat status {};
  if (fstat(fd.get(), &status) < 0) return -errno;
  if (S_ISREG(status.st_mode)) return send_file(output, fd.get(), status, path);
  if (!S_ISDIR(status.st_mode)) return 0;
  Folder folder(std::move(fd));
  if (!folder.opened()) return -errno;
  while (const char* entry = folder.next()) {
    const size_t size = std::strlen(entry);
    if (length + 1 + size >= PATH_MAX) return -ENAMETOOLONG;
    path[length] = '/';
    std::memcpy(path + length + 1, entry, size + 1);
    const int result = send_tree(output, folder.fd(), entry, path, length + 1 + size, depth + 1);
    path[length] = '\0';
    if (result < 0) return result;
  }
  return 0;
}

}  // namespace

int copy_into(Context& context, int source, int root, const char* path, uint64_t mode, uint64_t uid, uint64_t gid) {
  unique_fd parent;
  const char* last = nullptr;
  int result = open_parent(root, path, parent, last);
  if (result < 0) return result;
  char name[NAME_MAX + 1];
  const size_t length = std::strcspn(last, "/");
  if (length >= sizeof name) return -ENAMETOOLONG;
  std::memcpy(name, last, length);
  name[length] = '\0';
  struct stat status {};
  if (fstat(source, &status) < 0) return -errno;
  const Ownership want{mode, uid, gid};
  if (S_ISDIR(status.st_mode)) return copy_folder(context, source, status, parent.get(), name, want, 0);
  if (!S_ISREG(status.st_mode)) return context.failed(-EINVAL, "the source is neither a file nor a folder");
  return copy_file(source, status, parent.get(), name, want);
}

int copy_out_of(Context& context, int root, const List<Str>& paths, int to, uint64_t max) {
  Output output{to, max};
  for (const Str& path : paths) {
    unique_fd target;
    int result = open_in_root(root, path.text, O_PATH, target);
    if (result == -ENOENT || result == -ENOTDIR) continue;
    char name[PATH_MAX];
    if (path.size >= sizeof name) result = -ENAMETOOLONG;
    if (result < 0) return context.on(path.text, result);
    std::memcpy(name, path.text, path.size + 1);
    struct stat status {};
    if (fstat(target.get(), &status) < 0) return context.on(path.text, -errno);
    if (S_ISDIR(status.st_mode)) {
      result = send_tree(output, target.get(), ".", name, path.size, 0);
    } else if (S_ISREG(status.st_mode)) {
      unique_fd file;
      result = open_in_root(root, path.text, O_RDONLY | O_NONBLOCK, file);
      if (result == 0) result = send_file(output, file.get(), status, name);
    }
    if (result < 0) return context.on(path.text, result);
  }
  return write_all(to, "", 1);
}

}  // namespace nacelle
