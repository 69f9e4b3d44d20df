#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "../kernel/unique_fd.h"
#include "failure.h"
#include "tree.h"

namespace nacelle::layer {

// Modes, times and default ACLs of folders, which can only be set when their content is there: writing into a folder
// changes its time, a read-only one can't be written into, and children would inherit the ACL.
//
// They are kept as records, one after the other. Past a megabyte the records go to an unnamed file beside the folders, since an archive may
// have millions of them. The last record of each folder counts.
//
//   record   struct Head | path | default ACL
class FolderTimes {
 public:
  // Records a folder. `acl` is empty for none. 0 or -errno.
  int add(int root, std::string_view path, const struct stat& status, mode_t mode, const struct timespec& mtime, std::string_view acl);
  // Sets what was recorded. A folder that was replaced meanwhile is left alone.
  int apply(const Tree& tree, Failure& why);

 private:
  struct Head;
  int spill(int root);
  int apply_all(const Tree& tree, std::string_view records, Failure& why) const;
  int apply_one(const Tree& tree, const Head& head, std::string_view path, std::string_view acl, Failure& why) const;

  std::string records_;
  bool has_acl_ = false;
  unique_fd file_;
  bool has_no_file_ = false;     // the file system can't make unnamed files, so all records stay in memory
  std::vector<size_t> spilled_;  // how many bytes each write to the file had
};

}  // namespace nacelle::layer
