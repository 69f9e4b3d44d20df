#include "file_data.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nacelle::layer {
namespace {

// Zeros that fill so much of a file, from a multiple of it on, are a hole: the smallest one that a layer is packed with (pack_file.cc).
constexpr size_t kLeastHole = 16 * 1024;

bool is_zero(const char* data, size_t size) { return data[0] == 0 && std::memcmp(data, data + 1, size - 1) == 0; }

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

int set_size(int file, const TarEntry& entry, Failure& why) {
  if (ftruncate(file, static_cast<off_t>(entry.size)) == 0) return 0;
  return fail(why, errno, "entry %s: setting its size", shown(entry.name).c_str());
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
  return set_size(file, entry, why);
}

}  // namespace

int write_data(int file, TarReader& reader, const TarEntry& entry, Failure& why) {
  if (entry.sparse) return write_sparse(file, reader, entry, why);
  uint64_t offset = 0, written = 0;
  const char* at;
  ssize_t count;
  while ((count = reader.data(at, why)) > 0) {
    const size_t size = static_cast<size_t>(count);
    for (size_t from = 0, to = 0; to < size;) {
      const size_t part = std::min<size_t>(size - to, kLeastHole - (offset + to) % kLeastHole);
      const bool hole = is_zero(at + to, part);
      to += part;
      if (hole && from == to - part) from = to;
      // what is no hole is written together, when a hole or the end of what is here comes
      if (!hole && to < size) continue;
      const size_t end = hole ? to - part : to;
      if (from >= end) continue;
      if (const int result = write_at(file, at + from, end - from, offset + from, entry, why); result < 0) return result;
      written = offset + end;
      from = to;
    }
    offset += size;
  }
  if (count < 0) return static_cast<int>(count);
  return written < offset ? set_size(file, entry, why) : 0;
}

}  // namespace nacelle::layer
