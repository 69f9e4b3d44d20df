#include "executable.h"

#include <fcntl.h>

#include "../kernel/syscalls.h"

namespace nacelle {

// Opens the shim's own file, which no container can write to (addon/launch.cc).
int open_executable(unique_fd& out) { return opened(checked_int(open("/proc/self/exe", O_PATH | O_CLOEXEC)), out); }

}  // namespace nacelle
