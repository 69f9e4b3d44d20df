#pragma once

#include <sys/types.h>

#include <cstdint>

#include "context.h"

// Files into a container before it starts, and out of it after it ended. Both run in a process whose root is the
// container's, so that nothing in it can lead outside.
namespace nacelle {

constexpr uint64_t kAsSource = UINT64_MAX;

// A file or a tree to `path`; what is there is replaced, a folder is merged into. 0 or -errno.
int copy_into(Context& context, int source, int root, const char* path, uint64_t mode, uint64_t uid, uint64_t gid);

// Writes to a pipe, for each regular file at or below each path:
//   u8 1, u32 length of the path, path, u64 size, bytes
// and u8 0 at the end. A missing path has no record; past `max` bytes in all it is -EFBIG.
int copy_out_of(Context& context, int root, const List<Str>& paths, int to, uint64_t max);

}  // namespace nacelle
