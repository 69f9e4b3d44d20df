#pragma once

#include <cstddef>

namespace nacelle {

// Makes one write to a file of /proc. `proc` is the mount itself, and no link is followed, since a container's path may lead to something
// else (CVE-2025-52881). With AT_FDCWD the file is the host's, by an absolute path. 0 or -errno.
int write_procfs(int proc, const char* path, const char* data, size_t size);

}  // namespace nacelle
