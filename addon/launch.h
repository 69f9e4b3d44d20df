#pragma once

#include <string>

#include "shim/kernel/unique_fd.h"

namespace nacelle {

struct Launch {
  std::string shim;         // the executable's path
  std::string runtime_dir;  // has the folder `owners`, where the shim makes its file, and may have a folder `records`
};

// Gives an environment its own socket to this process's shim, which is started when there is none or it has died. All environments and
// copies of the library share one shim, since the addon is loaded once in a process. 0 or -errno; `what` says what failed.
int connect_to_shim(const Launch& launch, unique_fd& socket, std::string& what, std::string& owner, int& pid);

}  // namespace nacelle
