#pragma once

#include <string>

#include "failure.h"
#include "folder_times.h"
#include "tar_reader.h"
#include "tree.h"
#include "unpack.h"

namespace nacelle::layer {

// What making an entry needs besides the entry.
struct Unpacking {
  Tree tree;
  TarReader reader;
  FolderTimes times;
  const UnpackOptions& options;
};

// Makes the entry at `path` (of check_path), in the place of whatever is there; a folder is kept and given its attributes.
int make_entry(Unpacking& work, const TarEntry& entry, const std::string& path, Failure& why);

}  // namespace nacelle::layer
