#include "file_data.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace nacelle::layer {
namespace {

int write_at(int file, const char* data, size_t size, uint64_t offset, const TarEntry& entry, Failure& why) {
  while (size > 0) {
    const ssize_t count = pwrite(file, data, size, static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) continue;
      return fail(why, errno, "entry %s: writing it", shown(entry.name).c_str());
    }
    data += count;
    size -= static_cast<size_t>(count);
    offset += static_cast<uint64_t>(count);
  }
  return 0;
}

int write_sparse(int file, TarReader& reader, const TarEntry& entry, Failure& why) {
  const char* at = nullptr;
  size_t ready = 0;
  for (const Extent& extent : entry.map) {
    for (uint64_t done = 0; done < extent.length;) {
      if (ready == 0) {
        const ssize_t count = reader.data(at, why);
        if (count < 0) return static_cast<int>(count);
        ready = static_cast<size_t>(count);  // check_sparse() has made sure that the map holds exactly the stored data
      }
      const size_t part = static_cast<size_t>(std::min<uint64_t>(ready, extent.length - done));
      if (const int result = write_at(file, at, part, extent.offset + done, entry, why); result < 0) return result;
      at += part;
      ready -= part;
      done += part;
    }
  }
  if (ftruncate(file, static_cast<off_t>(entry.size)) < 0) return fail(why, errno, "entry %s: setting its size", shown(entry.name).c_str());
  return 0;
}

}  // namespace

int write_data(int file, TarReader& reader, const TarEntry& entry, Failure& why) {
  if (entry.sparse) return write_sparse(file, reader, entry, why);
  uint64_t offset = 0;
  const char* at;
  ssize_t count;
  while ((count = reader.data(at, why)) > 0) {
    if (const int result = write_at(file, at, static_cast<size_t>(count), offset, entry, why); result < 0) return result;
    offset += static_cast<uint64_t>(count);
  }
  return static_cast<int>(count);
}

}  // namespace nacelle::layer
