#pragma once

#include "output.h"
#include "tar_reader.h"

namespace nacelle::layer {

// Where a file of `size` bytes has data; `entry.sparse` is set when its holes are worth a map. 0 or -errno.
int find_holes(int file, TarEntry& entry);

// The file's data as its headers promised, with zeros for what was cut off meanwhile, and the padding.
int pack_data(int file, const TarEntry& entry, Output& output);

}  // namespace nacelle::layer
