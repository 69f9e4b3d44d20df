#include "groups.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "file_io.h"
#include "syscalls.h"

namespace nacelle {
namespace {

bool is_dots(const char* name) { return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0; }

int unlink_at(int at, const char* name, int flags) { return unlinkat(at, name, flags) < 0 && errno != ENOENT ? -errno : 0; }

// A list of numbers of a group.
struct NumberList {
  char text[8192];
  size_t size = 0;
};

int read_list(int group, const char* file, NumberList& list) {
  const unique_fd fd(openat(group, file, O_RDONLY | O_CLOEXEC));
  if (!fd) return -errno;
  const ssize_t size = read(fd.get(), list.text, sizeof list.text);
  if (size < 0) return -errno;
  list.size = static_cast<size_t>(size);
  return list.size == sizeof list.text ? -EFBIG : 0;
}

// Reads a group's list into `list`. A group whose list is empty first gets that of the nearest group above that has one; at most `most`
// groups, counted upward from this one, are written to. Returns 0 or -errno.
int inherit_list(int group, const char* file, uint64_t most, NumberList& list) {
  const int read = read_list(group, file, list);
  if (read < 0) return read;
  if (list.size > 1 || most == 0) return 0;  // an empty list is a newline
  const unique_fd parent(openat(group, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const int inherited = parent ? inherit_list(parent.get(), file, most - 1, list) : -errno;
  if (inherited < 0) return inherited;
  const unique_fd fd(openat(group, file, O_WRONLY | O_CLOEXEC));
  return fd ? write_once(fd.get(), list.text, list.size) : -errno;
}

// Removes the groups directly below one, as far as they can be. `left` gets the name of the first that is left; '' when none is.
int remove_children(int group, std::string& left) {
  left.clear();
  Folder folder(unique_fd(openat(group, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!folder.opened()) return -errno;
  while (const char* name = folder.next()) {
    const int result = unlink_at(group, name, AT_REMOVEDIR);
    if (result == 0 || result == -ENOTDIR) continue;
    if (result != -EBUSY && result != -ENOTEMPTY) return result;
    if (left.empty()) left = name;
  }
  return 0;
}

// How often it is gone up or down in one call. A caller that comes back later goes on where this one has ended.
constexpr int kMostMoves = 65536;

// Removes all groups below one. A container may nest its groups as deep as it likes, so one descriptor does for all of them.
int remove_below(unique_fd group) {
  std::string left;
  bool is_below = false;
  int depth = 0;
  for (int moves = 0; moves < kMostMoves; ++moves) {
    const int result = remove_children(group.get(), left);
    if (result < 0) return result;
    if (left.empty() && depth == 0) return 0;
    // a group that could not be removed, and has none below it, has processes
    if (left.empty() && is_below) return -EBUSY;
    is_below = !left.empty();
    depth += is_below ? 1 : -1;
    unique_fd next(openat(group.get(), is_below ? left.c_str() : "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return errno == ENOENT ? -EBUSY : -errno;
    group = std::move(next);
  }
  return -EBUSY;
}

}  // namespace

int inherit_cpuset(int at, const char* path, uint64_t most) {
  const unique_fd group(openat(at, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!group) return -errno;
  NumberList list;
  const int result = inherit_list(group.get(), "cpuset.cpus", most, list);
  return result < 0 ? result : inherit_list(group.get(), "cpuset.mems", most, list);
}

int each_group(int at, const char* path, int (*visit)(int at, const char* name)) {
  unique_fd fd(openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return -errno;
  DIR* stream = fdopendir(fd.get());
  if (stream == nullptr) return -errno;
  static_cast<void>(fd.release());
  int result = 0;
  while (result == 0) {
    const dirent* entry = readdir(stream);
    if (entry == nullptr) break;
    // the kernel's file system of groups always tells the type
    if (entry->d_type == DT_DIR && !is_dots(entry->d_name)) result = visit(dirfd(stream), entry->d_name);
  }
  closedir(stream);
  return result;
}

bool is_group(int fd) {
  struct statfs status {};
  return fstatfs(fd, &status) == 0 && (status.f_type == CGROUP_SUPER_MAGIC || status.f_type == CGROUP2_SUPER_MAGIC);
}

int is_populated(int at, const char* path) {
  const auto unless_gone = [](int error) { return error == ENOENT || error == ENODEV || error == EBADF ? 0 : -error; };
  const unique_fd group(openat(at, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!group) return unless_gone(errno);
  if (!is_group(group.get())) return 0;
  unique_fd file(openat(group.get(), "cgroup.events", O_RDONLY | O_CLOEXEC));
  const bool tells = static_cast<bool>(file);
  if (!tells && errno == ENOENT) file.reset(openat(group.get(), "cgroup.procs", O_RDONLY | O_CLOEXEC));  // v1
  if (!file) return unless_gone(errno);
  char text[256] = "";
  const ssize_t size = read(file.get(), text, sizeof text - 1);
  if (size < 0) return unless_gone(errno);
  if (tells) return std::strstr(text, "populated 1") == nullptr ? 0 : 1;
  return size > 0 ? 1 : each_group(group.get(), ".", is_populated);
}

int make_group(int at, const char* path) {
  char prefix[PATH_MAX];
  const size_t length = std::strlen(path);
  if (length == 0) return -ENOENT;
  if (length >= sizeof prefix) return -ENAMETOOLONG;
  // another owner may remove an empty parent meanwhile: then all parents are made again
  for (int attempt = 0; attempt < 16; ++attempt) {
    if (mkdirat(at, path, 0755) == 0 || errno == EEXIST) return 0;
    if (errno != ENOENT) return -errno;
    for (size_t end = 1; end < length; ++end) {
      if (path[end] != '/') continue;
      std::memcpy(prefix, path, end);
      prefix[end] = '\0';
      if (mkdirat(at, prefix, 0755) < 0 && errno != EEXIST && errno != EROFS && errno != ENOENT) return -errno;
    }
  }
  return -ENOENT;
}

int release_real_time(int at, const char* path) {
  const unique_fd group(openat(at, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  const unique_fd fd(group ? openat(group.get(), "cpu.rt_runtime_us", O_RDWR | O_CLOEXEC) : -1);
  if (!fd) return errno == ENOENT ? 0 : -errno;
  char first = '0';
  if (read(fd.get(), &first, 1) < 0) return -errno;
  if (first == '0') return 0;  // then the groups below have none either
  const int result = each_group(group.get(), ".", release_real_time);
  if (result < 0) return result;
  return write(fd.get(), "0", 1) < 0 ? -errno : 0;
}

int remove_group(int at, const char* path) {
  if (unlink_at(at, path, AT_REMOVEDIR) == 0) return 0;
  if (errno != EBUSY && errno != ENOTEMPTY) return -errno;
  unique_fd group(openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const int result = group ? remove_below(std::move(group)) : -errno;
  if (result < 0) return result == -ENOENT ? 0 : result;
  return unlink_at(at, path, AT_REMOVEDIR);
}

}  // namespace nacelle
