#pragma once

#include "output.h"
#include "tar_reader.h"

namespace nacelle::layer {

// Finds where a file has data. `entry.sparse` and `entry.map` are set when its holes are worth a map. 0 or -errno.
int find_holes(int file, TarEntry& entry);

// Writes as much of the file's data as its headers promise, with zeros for what was cut off meanwhile, and the padding.
int pack_data(int file, const TarEntry& entry, Output& output);

}  // namespace nacelle::layer
