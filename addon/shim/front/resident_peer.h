#pragma once

#include <string>

#include "../kernel/unique_fd.h"

namespace nacelle {

// Connects to the resident planner of a folder of states, which is open; this, and what is sent or received on the socket, fails with
// EAGAIN when it takes 5 s. -ENOENT or -ECONNREFUSED where there is none; -EPERM for what is no planner to be trusted: the folder or the
// socket is not this user's alone, or who listens runs another program than `node`, or is in other namespaces or below another root than
// this process, where paths would be others.
int connect_to_resident(int root, const std::string& node, unique_fd& socket);

}  // namespace nacelle
