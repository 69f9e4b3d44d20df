#include "../modes/executable.h"

#include <fcntl.h>

#include "../kernel/syscalls.h"

namespace nacelle {

// The sanitizers' runtime is a shared library, and a container's root has none: so its processes execute a file
// without them (main.cc beside this one).
int open_executable(unique_fd& out) { return opened(checked_int(open(NACELLE_INIT, O_PATH | O_CLOEXEC)), out); }

}  // namespace nacelle
