#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <string>
#include <vector>

#include "../kernel/unique_fd.h"
#include "overlay_marks.h"

namespace nacelle::layer {

// A folder as overlayfs merges it from several layers, the topmost first; without any it doesn't exist.
struct Merged {
  std::vector<unique_fd> folders;
  MarkNames marks = MarkNames::kTrusted;
};

struct Found {
  bool exists = false;
  struct stat status {};  // of the topmost layer that has it
  Merged folder;          // when it is a folder
};

// Finds what a name is in the merged folder. A whiteout ends the search, and so does a file below a folder; an opaque folder is the last to
// be merged. 0 or -errno.
int look_up(const Merged& merged, const char* name, Found& found);

// Opens layers by their top folders, the topmost first.
int open_layers(const int* tops, size_t count, MarkNames marks, Merged& merged);

// Every name that exists in it, sorted.
int merged_names(const Merged& merged, std::vector<std::string>& names);

}  // namespace nacelle::layer
