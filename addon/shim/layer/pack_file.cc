#include "pack_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tar_format.h"

namespace nacelle::layer {
namespace {

// Smaller holes are written as zeros: a map costs at least two blocks, and some readers don't know it.
constexpr uint64_t kLeastHole = 16 * 1024;

int copy_extent(int file, const Extent& extent, Output& output) {
  for (uint64_t done = 0; done < extent.length;) {
    size_t size;
    char* to = output.room(size);
    if (output.error() < 0) return output.error();
    size = static_cast<size_t>(std::min<uint64_t>(size, extent.length - done));
    const ssize_t count = pread(file, to, size, static_cast<off_t>(extent.offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    if (count == 0) return output.put_zeros(extent.length - done);
    if (const int result = output.filled(static_cast<size_t>(count)); result < 0) return result;
    done += static_cast<uint64_t>(count);
  }
  return 0;
}

}  // namespace

int find_holes(int file, TarEntry& entry) {
  struct stat status;
  if (fstat(file, &status) < 0) return -errno;
  if (static_cast<uint64_t>(status.st_blocks) * 512 >= entry.size) return 0;
  const off_t size = static_cast<off_t>(entry.size);
  std::vector<Extent> map;
  uint64_t data = 0;
  for (off_t at = 0; at < size;) {
    const off_t start = lseek(file, at, SEEK_DATA);
    if (start < 0 && errno == ENXIO) break;              // the rest is a hole
    if (start < 0) return errno == EINVAL ? 0 : -errno;  // the file system can't report holes
    if (start >= size) break;
    const off_t end = lseek(file, start, SEEK_HOLE);
    if (end < 0) return -errno;
    if (map.size() == kMostExtents - 1) return 0;
    map.push_back({static_cast<uint64_t>(start), static_cast<uint64_t>(std::min(end, size) - start)});
    data += map.back().length;
    at = end;
  }
  if (entry.size - data < kLeastHole) return 0;
  // GNU tar ends a map with the file's size when a hole is last
  if (map.empty() || map.back().offset + map.back().length < entry.size) map.push_back({entry.size, 0});
  entry.sparse = true;
  entry.map = std::move(map);
  return 0;
}

int pack_data(int file, const TarEntry& entry, Output& output) {
  uint64_t stored = 0;
  const std::vector<Extent> whole{{0, entry.size}};
  for (const Extent& extent : entry.sparse ? entry.map : whole) {
    if (const int result = copy_extent(file, extent, output); result < 0) return result;
    stored += extent.length;
  }
  return output.put_zeros(tar_padding(stored));
}

}  // namespace nacelle::layer
