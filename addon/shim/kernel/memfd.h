#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "unique_fd.h"

// Memory as a file: bodies of messages that are too long for one, and the shim's executable. All return 0 or -errno.
namespace nacelle {

// Seals a memfd, so that nobody can change it any more.
inline int seal(int fd) { return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0 ? -errno : 0; }

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

// Seals an executable memfd; since Linux 6.3 nobody can change either who may execute it.
inline int seal_executable(int fd) {
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_EXEC) < 0 && errno != EINVAL) return -errno;
  return seal(fd);
}

inline int sealed_memfd(const char* data, size_t size, unique_fd& out) {
  unique_fd fd(memfd_create("nacelle", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return -errno;
  for (size_t done = 0; done < size;) {
    const ssize_t count = write(fd.get(), data + done, size - done);
    if (count < 0) return -errno;
    done += static_cast<size_t>(count);
  }
  const int result = seal(fd.get());
  if (result == 0) out = std::move(fd);
  return result;
}

// Reads exactly `size` bytes; -EPROTO when the file has fewer.
inline int read_memfd(int fd, char* data, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t count = pread(fd, data + done, size - done, static_cast<off_t>(done));
    if (count <= 0) return count < 0 ? -errno : -EPROTO;
    done += static_cast<size_t>(count);
  }
  return 0;
}

}  // namespace nacelle
