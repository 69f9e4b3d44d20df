#pragma once

#include <cstddef>

namespace nacelle {

// One write to a file of /proc, after checking that it is one: an image may have put something else there
// (CVE-2025-52881). 0 or -errno.
int write_procfs(const char* path, const char* data, size_t size);

}  // namespace nacelle
