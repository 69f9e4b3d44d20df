#include "../modes/executable.h"

#include <fcntl.h>

#include "../kernel/syscalls.h"

namespace nacelle {

// The sanitizers' runtime is a shared library, which a container's root does not have. So processes of ours in a container execute a file
// without sanitizers (main.cc beside this one).
int open_executable(unique_fd& out) { return opened(checked_int(open(NACELLE_INIT, O_PATH | O_CLOEXEC)), out); }

}  // namespace nacelle
