#pragma once

#include <dirent.h>

#include <cstddef>

#include "unique_fd.h"

namespace nacelle {

// The names in an open folder, in the order in which the kernel has them.
class Folder {
 public:
  explicit Folder(unique_fd fd);
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder();
  bool opened() const { return stream_ != nullptr; }
  int fd() const { return dirfd(stream_); }
  // The next name, without '.' and '..'; nullptr at the end.
  const char* next();

 private:
  DIR* stream_;
};

// Writes all of the data. 0 or -errno.
int write_all(int fd, const void* data, size_t size);

// Makes one write(2), as the files of cgroups want it. 0 or -errno; -EIO where it took a part.
int write_once(int fd, const void* data, size_t size);

// Copies from where a file is read now to its end. 0 or -errno.
int copy_rest(int from, int to);

}  // namespace nacelle
