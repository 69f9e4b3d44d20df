#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "failure.h"
#include "pax.h"
#include "tree.h"

namespace nacelle::layer {

// Modes, times and default ACLs of folders, which can only be set when their content is there: writing into a folder
// changes its time, a read-only one can't be written into, and children would inherit the ACL.
class FolderTimes {
 public:
  void add(std::string path, const struct stat& status, mode_t mode, const struct timespec& mtime, std::vector<Xattr> late);
  // The last word on each folder counts. One that was replaced since has none.
  int apply(const Tree& tree, Failure& why) const;

 private:
  struct Folder {
    std::string path;
    dev_t device;
    ino_t inode;
    mode_t mode;
    struct timespec mtime;
    std::vector<Xattr> late;
  };
  std::vector<Folder> folders_;
};

}  // namespace nacelle::layer
