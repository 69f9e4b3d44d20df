#include "executable.h"

#include <fcntl.h>

#include "syscalls.h"

namespace nacelle {

// The shim's own: a sealed memfd, that no container can write to.
int open_executable(unique_fd& out) { return opened(checked_int(open("/proc/self/exe", O_PATH | O_CLOEXEC)), out); }

}  // namespace nacelle
