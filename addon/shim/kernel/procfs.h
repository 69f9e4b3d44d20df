#pragma once

#include <cstddef>

namespace nacelle {

// One write to a file of /proc: below `proc`, the mount itself, for what lies at a path of a container's may be something
// else (CVE-2025-52881), and no link is followed; with AT_FDCWD the host's own, by an absolute path. 0 or -errno.
int write_procfs(int proc, const char* path, const char* data, size_t size);

}  // namespace nacelle
