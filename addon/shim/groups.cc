#include "groups.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "syscalls.h"

namespace nacelle {
namespace {

using Visit = int (*)(int folder, const char* name);

bool is_dots(const char* name) { return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0; }

// Calls `visit` for each folder in a folder; stops at the first failure.
int each_folder(int at, const char* path, Visit visit) {
  unique_fd fd(openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return -errno;
  DIR* stream = fdopendir(fd.get());
  if (stream == nullptr) return -errno;
  static_cast<void>(fd.release());
  int result = 0;
  while (result == 0) {
    const dirent* entry = readdir(stream);
    if (entry == nullptr) break;
    if (is_dots(entry->d_name)) continue;
    struct stat status {};
    if (fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
      result = errno == ENOENT ? 0 : -errno;
      continue;
    }
    if (S_ISDIR(status.st_mode)) result = visit(dirfd(stream), entry->d_name);
  }
  closedir(stream);
  return result;
}

int unlink_at(int at, const char* name, int flags) { return unlinkat(at, name, flags) < 0 && errno != ENOENT ? -errno : 0; }

int kill_each(int group) {
  const unique_fd procs(openat(group, "cgroup.procs", O_RDONLY | O_CLOEXEC));
  if (!procs) return errno == ENOENT ? 0 : -errno;
  char text[16 * 1024];
  ssize_t count = 0;
  while ((count = read(procs.get(), text, sizeof text - 1)) > 0) {
    text[count] = '\0';
    // a number that the buffer cut is completed by the next round of the caller
    for (char* line = std::strtok(text, "\n"); line != nullptr; line = std::strtok(nullptr, "\n")) {
      const pid_t pid = static_cast<pid_t>(std::strtol(line, nullptr, 10));
      if (pid > 0) kill(pid, SIGKILL);
    }
  }
  return count < 0 ? -errno : 0;
}

}  // namespace

bool is_populated(int at, const char* path) {
  // what can't be told is looked at again
  const auto gone = [] { return errno == ENOENT || errno == ENODEV || errno == EBADF; };
  const unique_fd group(openat(at, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!group) return !gone();
  const unique_fd events(openat(group.get(), "cgroup.events", O_RDONLY | O_CLOEXEC));
  const unique_fd procs(events || !gone() ? -1 : openat(group.get(), "cgroup.procs", O_RDONLY | O_CLOEXEC));  // v1
  char text[256] = "";
  const ssize_t size = events || procs ? read(events ? events.get() : procs.get(), text, sizeof text - 1) : -1;
  if (size < 0) return !gone();
  return events ? std::strstr(text, "populated 1") != nullptr : size > 0;
}

int make_group(int at, const char* path) {
  char prefix[PATH_MAX];
  const size_t length = std::strlen(path);
  if (length == 0) return -ENOENT;
  if (length >= sizeof prefix) return -ENAMETOOLONG;
  // another owner may remove an empty parent meanwhile: then again from the top
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

int remove_group(int at, const char* path) {
  if (unlink_at(at, path, AT_REMOVEDIR) == 0) return 0;
  if (errno != EBUSY && errno != ENOTEMPTY) return -errno;
  const int result = each_folder(at, path, remove_group);
  if (result < 0) return result == -ENOENT ? 0 : result;
  return unlink_at(at, path, AT_REMOVEDIR);
}

int kill_group(int at, const char* path) {
  const unique_fd group(openat(at, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!group) return errno == ENOENT ? 0 : -errno;
  const unique_fd file(openat(group.get(), "cgroup.kill", O_WRONLY | O_CLOEXEC));
  if (file) return write(file.get(), "1", 1) < 0 ? -errno : 0;
  return errno == ENOENT ? kill_each(group.get()) : -errno;
}

}  // namespace nacelle
