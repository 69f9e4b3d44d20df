#include "file_io.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace nacelle {

Folder::Folder(unique_fd fd) : stream_(fdopendir(fd.get())) {
  if (stream_ != nullptr) static_cast<void>(fd.release());  // the stream owns it from here
}

Folder::~Folder() {
  if (stream_ != nullptr) closedir(stream_);
}

const char* Folder::next() {
  while (const dirent* entry = readdir(stream_)) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) return entry->d_name;
  }
  return nullptr;
}

int write_all(int fd, const void* data, size_t size) {
  const char* left = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t count = write(fd, left, size);
    if (count < 0) {
      if (errno == EINTR) continue;
      return -errno;
    }
    left += count;
    size -= static_cast<size_t>(count);
  }
  return 0;
}

int write_once(int fd, const void* data, size_t size) {
  const ssize_t count = write(fd, data, size);
  if (count < 0) return -errno;
  return static_cast<size_t>(count) == size ? 0 : -EIO;
}

int copy_rest(int from, int to) {
  static char buffer[64 * 1024];
  for (;;) {
    const ssize_t count = read(from, buffer, sizeof buffer);
    if (count <= 0) return count < 0 ? -errno : 0;
    const int result = write_all(to, buffer, static_cast<size_t>(count));
    if (result < 0) return result;
  }
}

}  // namespace nacelle
