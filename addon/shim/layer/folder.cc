#include "folder.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nacelle::layer {
namespace {

// offsets in struct linux_dirent64, of getdents64(2)
constexpr size_t kLengthAt = 16, kNameAt = 19;

}  // namespace

int read_names(int folder, std::vector<std::string>& names) {
  names.clear();
  if (lseek(folder, 0, SEEK_SET) < 0) return -errno;
  char buffer[16 * 1024];
  for (;;) {
    const long count = syscall(SYS_getdents64, folder, buffer, sizeof buffer);
    if (count < 0) return -errno;
    if (count == 0) break;
    for (long at = 0; at < count;) {
      unsigned short length;
      std::memcpy(&length, buffer + at + kLengthAt, sizeof length);
      const char* name = buffer + at + kNameAt;
      if (std::strcmp(name, ".") != 0 && std::strcmp(name, "..") != 0) names.emplace_back(name);
      at += length;
    }
  }
  std::sort(names.begin(), names.end());  // std::string compares as unsigned bytes
  return 0;
}

int open_folder(int parent, const char* name, unique_fd& out) {
  const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -errno;
  out.reset(fd);
  return 0;
}

int status_of(int parent, const char* name, struct stat& status) {
  return fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

WorkingDirectory::WorkingDirectory(int folder) : before_(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!before_ || fchdir(folder) < 0) error_ = -errno;
}

WorkingDirectory::~WorkingDirectory() {
  if (error_ == 0 && fchdir(before_.get()) < 0) _exit(127);  // this can't fail, since the former folder is open
}

void allow_many_descriptors() {
  struct rlimit limit {};
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));  // without it, a very deep tree is -EMFILE
}

}  // namespace nacelle::layer
