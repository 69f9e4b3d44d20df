#pragma once

#include <string>
#include <vector>

#include "tar_reader.h"

namespace nacelle::layer {

// The header blocks of an entry, in ustar, with a PAX header before it only for what ustar can't hold: long or non-ASCII
// names, sizes from 8 GiB, owners from 2^21, times before 1970 or within a second, attributes, holes. The same entry always
// gives the same bytes. For a file with holes `entry.map` has its extents: the blocks then end with the map (GNU.sparse 1.0), and the data
// of the extents follow. Pure.
std::string format_tar_headers(const TarEntry& entry);

// Zeros from the end of the data to the next block.
inline uint64_t tar_padding(uint64_t size) { return (kBlockSize - size % kBlockSize) % kBlockSize; }

}  // namespace nacelle::layer
