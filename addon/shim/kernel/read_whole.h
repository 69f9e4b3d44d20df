#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <string>

namespace nacelle {

// Reads what listxattr(2) or getxattr(2) gives, whose size may change between two calls. `read` takes a buffer and its size, and with a
// size of 0 gives the size that is needed. 0 or -errno.
template <typename Read>
int read_whole(Read read, std::string& value) {
  for (int attempt = 0; attempt < 16; ++attempt) {
    const ssize_t size = read(nullptr, 0);
    if (size < 0) return -errno;
    value.resize(static_cast<size_t>(size));
    if (size == 0) return 0;
    const ssize_t count = read(value.data(), value.size());
    if (count >= 0) {
      value.resize(static_cast<size_t>(count));
      return 0;
    }
    if (errno != ERANGE) return -errno;
  }
  return -ERANGE;
}

}  // namespace nacelle
