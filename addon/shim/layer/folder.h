#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "../kernel/unique_fd.h"

namespace nacelle::layer {

// The names in an open folder, without '.' and '..', in the order of their bytes. 0 or -errno.
int read_names(int folder, std::vector<std::string>& names);

// Opens a folder to read it; a symlink is -ENOTDIR.
int open_folder(int parent, const char* name, unique_fd& out);

// fstatat that follows no link.
int status_of(int parent, const char* name, struct stat& status);

// Makes the process's working directory `folder` for as long as this lives: a few calls take no descriptor.
class WorkingDirectory {
 public:
  explicit WorkingDirectory(int folder);
  WorkingDirectory(const WorkingDirectory&) = delete;
  WorkingDirectory& operator=(const WorkingDirectory&) = delete;
  ~WorkingDirectory();
  int error() const { return error_; }

 private:
  unique_fd before_;
  int error_ = 0;
};

// Raises the limit of descriptors to the hard limit, since walks keep one open for each level.
void allow_many_descriptors();

}  // namespace nacelle::layer
