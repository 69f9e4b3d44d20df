#include "whole_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "unique_fd.h"

namespace nacelle {

int read_text(int at, const char* path, size_t most, std::string& text) {
  // a named pipe would keep whoever opens it waiting
  const unique_fd file(openat(at, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  return file ? read_rest(file.get(), most, text) : -errno;
}

int read_rest(int fd, size_t most, std::string& text) {
  text.clear();
  char buffer[4096];
  for (;;) {
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count < 0 ? -errno : 0;
    text.append(buffer, static_cast<size_t>(count));
    if (text.size() > most) return -EFBIG;
  }
}

}  // namespace nacelle
