#pragma once

#include "../kernel/unique_fd.h"

namespace nacelle {

// The file whose init mode (reaper.h) a process of ours executes that stays inside a container's namespaces. 0 or -errno.
int open_executable(unique_fd& out);

}  // namespace nacelle
