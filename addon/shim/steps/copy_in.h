#pragma once

#include <cstdint>

#include "context.h"
#include "resolve.h"

namespace nacelle {

// Of a mode: the source's. Of an owner: the container's user.
constexpr uint64_t kByDefault = UINT64_MAX;

// What a plan says of an owner; once `user` has looked for the container's.
Owner owner_of(const Context& context, uint64_t uid, uint64_t gid);

// Files into a container before it starts: a file or a tree to `path`. A file that is there is replaced, a folder is merged into and stays
// as it is. What is made is the owner's, folders on the way too, and on `ground`. 0 or -errno.
int copy_into(Context& context, int source, int root, const char* path, uint64_t mode, const Owner& owner, const Ground& ground);

}  // namespace nacelle
