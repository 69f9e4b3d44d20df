#pragma once

#include "tar_reader.h"

namespace nacelle::layer {

// Writes the entry's data into a new, empty file: as it comes, or around the holes of a sparse file.
int write_data(int file, TarReader& reader, const TarEntry& entry, Failure& why);

}  // namespace nacelle::layer
