#pragma once

#include <string>

#include "failure.h"
#include "folder_times.h"
#include "merged.h"
#include "path.h"
#include "tar_reader.h"
#include "tree.h"
#include "unpack.h"

namespace nacelle::layer {

// What making an entry needs besides the entry.
struct Unpacking {
  Tree tree;
  TarReader reader;
  FolderTimes times;
  Merged lower;  // what this layer lies on
  const UnpackOptions& options;
  uint64_t looks = 0;  // how often a name was looked up in a lower layer
};

// The bounds for paths in the archive.
inline PathLimits path_limits(const UnpackOptions& options) { return {options.most_path, options.most_depth, !options.plain}; }

// Fails because there are more entries than maxEntries allows.
int too_many(const TarEntry& entry, Failure& why);

// Makes the folder `name` in `parent`, or gives the one that is there the entry's attributes. `path` is empty for the root.
int make_folder(Unpacking& work, const TarEntry& entry, const std::string& path, int parent, const char* name, Failure& why);

// Makes the entry at `path` (of check_path), in the place of whatever is there; a folder is kept and given its attributes.
int make_entry(Unpacking& work, const TarEntry& entry, const std::string& path, Failure& why);

}  // namespace nacelle::layer
