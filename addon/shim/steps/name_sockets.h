#pragma once

#include "../kernel/unique_fd.h"

namespace nacelle {

// The sockets at which a container asks about names, of UDP and of TCP, in the network namespace that the caller is in. 0 or -errno.
int open_name_sockets(unique_fd (&out)[2]);

}  // namespace nacelle
