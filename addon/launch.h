#pragma once

#include <string>

#include "shim/kernel/unique_fd.h"

namespace nacelle {

struct Launch {
  std::string shim;         // the executable's path
  std::string runtime_dir;  // has a folder `owners`, where the shim makes its file, and maybe one of records
};

// A socket of its own to this process's shim, which is started when there is none or it has died. One shim for all
// environments and copies of the library: the addon is loaded once in a process. 0 or -errno; `what` says at what.
int connect_to_shim(const Launch& launch, unique_fd& socket, std::string& what, std::string& owner, int& pid);

}  // namespace nacelle
