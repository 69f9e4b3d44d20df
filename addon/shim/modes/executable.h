#pragma once

#include "../kernel/unique_fd.h"

namespace nacelle {

// Opens the shim's file, which our processes beside a program execute anew in another mode (reaper.h, pump.h). 0 or -errno.
int open_executable(unique_fd& out);

}  // namespace nacelle
