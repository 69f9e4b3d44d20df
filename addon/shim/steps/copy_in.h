#pragma once

#include <cstdint>

#include "context.h"
#include "resolve.h"

namespace nacelle {

// As a mode, this means the source's mode; as an owner, the container's user.
constexpr uint64_t kByDefault = UINT64_MAX;

// The owner that a plan names. kByDefault needs the step `user` to have looked up the container's user.
Owner owner_of(const Context& context, uint64_t uid, uint64_t gid);

// Copies a file or a tree into a container before it starts, to `path`. A file that is there is replaced; a folder that is there keeps its
// attributes and is merged into. All that is made belongs to the owner, folders on the way too, and lies on `ground`. 0 or -errno.
int copy_into(Context& context, int source, int root, const char* path, uint64_t mode, const Owner& owner, const Ground& ground);

}  // namespace nacelle
