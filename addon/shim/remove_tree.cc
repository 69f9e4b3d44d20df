#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "groups.h"
#include "syscalls.h"

namespace nacelle {
namespace {

// A folder on the way down. A container may have nested them deeper than there are descriptors or stack, so only the
// deepest is open, and the way up is '..', checked against what was there on the way down.
struct Level {
  std::string name;
  ino_t inode = 0;
  std::vector<std::string> folders;  // in it, not empty, still to be removed
};

int open_folder(int at, const char* name, dev_t device, unique_fd& out, ino_t& inode) {
  unique_fd fd(openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) < 0) return -errno;
  if (status.st_dev != device) return -EXDEV;
  inode = status.st_ino;
  out = std::move(fd);
  return 0;
}

// Removes one entry of a folder, or adds it to the folders that are left.
int remove_entry(int folder, const char* name, dev_t device, std::vector<std::string>& left) {
  struct stat status {};
  if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT ? 0 : -errno;
  if (status.st_dev != device) return -EXDEV;
  const int flags = S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0;
  if (unlinkat(folder, name, flags) == 0 || errno == ENOENT) return 0;
  if (flags == 0 || (errno != ENOTEMPTY && errno != EEXIST)) return -errno;
  left.emplace_back(name);
  return 0;
}

// Takes the descriptor of a folder: removes everything in it but folders that are not empty.
int empty_folder(int fd, dev_t device, std::vector<std::string>& left) {
  DIR* stream = fdopendir(fd);
  if (stream == nullptr) {
    const int error = -errno;
    close(fd);
    return error;
  }
  int result = 0;
  while (result == 0) {
    errno = 0;
    const dirent* entry = readdir(stream);
    if (entry == nullptr) {
      result = -errno;
      break;
    }
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    result = remove_entry(dirfd(stream), entry->d_name, device, left);
  }
  closedir(stream);
  return result;
}

}  // namespace

int remove_tree(int at, const char* path) {
  struct stat status {};
  if (fstatat(at, path, &status, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT ? 0 : -errno;
  if (!S_ISDIR(status.st_mode)) return unlinkat(at, path, 0) < 0 && errno != ENOENT ? -errno : 0;

  std::vector<Level> levels;
  unique_fd current;
  std::string next = path;
  int from = at;
  for (;;) {
    Level level;
    level.name = std::move(next);
    int result = open_folder(from, level.name.c_str(), status.st_dev, current, level.inode);
    if (result < 0) return result;
    const int copy = fcntl(current.get(), F_DUPFD_CLOEXEC, 0);
    result = copy < 0 ? -errno : empty_folder(copy, status.st_dev, level.folders);
    if (result < 0) return result;
    levels.push_back(std::move(level));
    while (levels.back().folders.empty()) {
      const std::string done = std::move(levels.back().name);
      levels.pop_back();
      if (levels.empty()) return unlinkat(at, path, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
      unique_fd above;
      ino_t inode = 0;
      result = open_folder(current.get(), "..", status.st_dev, above, inode);
      if (result < 0) return result;
      if (inode != levels.back().inode) return -ESTALE;  // somebody moves it about
      current = std::move(above);
      if (unlinkat(current.get(), done.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT) return -errno;
    }
    next = std::move(levels.back().folders.back());
    levels.back().folders.pop_back();
    from = current.get();
  }
}

}  // namespace nacelle
