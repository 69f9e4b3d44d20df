#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "../kernel/unique_fd.h"
#include "ground.h"

// Paths on hostile ground: what an image or a container wrote may hold symlinks to anywhere. Everything is
// resolved below `root` by the kernel (openat2 with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS), so '..' and
// absolute links stay inside, and a link that is swapped meanwhile leads nowhere else.
namespace nacelle {

// Opens `path` below `root`; `flags` as openat. 0 or -errno.
int open_in_root(int root, const char* path, int flags, unique_fd& out);

// The same, but -ELOOP when any component of the path is a link, the last one too. find_link() gives the path of that link.
int open_without_links(int root, const char* path, int flags, unique_fd& out);
std::string find_link(int root, const char* path);

// The owner of what is made.
struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
};

// Opens the folder that holds `path`'s last component, made with its parents (0755) when missing. `name` is the last component's place in
// `path`. A path that ends in '..' or names the root is -EINVAL. The folder is on `ground`.
int open_parent(int root, const char* path, unique_fd& parent, const char*& name, const Owner& owner = {}, const Ground& ground = {});

// mkdir -p: the folder at `path` as an O_PATH descriptor. `made` tells whether the last component is new. What is made is on `ground`; a
// folder that is there may be elsewhere.
int make_folder(int root, const char* path, unsigned mode, unique_fd& out, bool& made, const Owner& owner = {}, const Ground& ground = {});

constexpr int kMostLinks = 40;  // the kernel's own limit (path_resolution(7))

// Follows `name`, the last component of `path` in the folder `parent`, if it is a link: 1, and `path` is then where it leads. 0 when it is
// no link, or -errno.
int follow_link(int parent, const char* name, std::string& path);

// Says in `text` which component of a path that could not be opened is a link, if one is. The words have only parts of the path, not the
// link's target, since text that an image wrote has no place in a message.
void find_bad_link(int root, const char* path, char* text, size_t size);

}  // namespace nacelle
