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

// Says that a connection to the shim of that owner has ended. Where that is this process's shim, it may be about to be gone, and the next
// connect_to_shim() finds out.
void doubt_shim(const std::string& owner);

// Says that start_shim_ahead() is to start one, unless end_shim() comes first.
void expect_shim();

// Starts this process's shim if it is expected and none was started yet. A failure is told to whoever connects, which tries again.
void start_shim_ahead(const Launch& launch);

// Connects to a shim that another process starts with the other end of `control`, and waits until it serves: -ETIMEDOUT when that takes
// more than 5 s.
int connect_by_control(int control, unique_fd& socket, std::string& what);

// Closes the socket of the shim of this process, and waits until the shim has gone: it ends with its last client and task. What it has
// handed over then belongs to the subreaper above. Nothing happens where there is none.
void end_shim();

// Starts the shim of one detached container, which has the container's name as an owner and no parent here.
int launch_detached_shim(const Launch& launch, const std::string& owner, unique_fd& socket, std::string& what);

// A shim that is root of a user namespace (shim/wire/mapping.h). It has no parent here.
struct MappedShim {
  // As long as this socket is open, the shim waits for more clients; it is closed for a detached one, which then ends with its container.
  unique_fd control;
  std::string owner;
  bool is_detached = false;
  pid_t pid = 0;
};

// Starts such a shim, up to where it waits for the maps of its ids. `detached`: the name of its container, or ''. `joined`: the user
// namespace to enter, or < 0 for a new one.
int launch_mapped_shim(const Launch& launch, const std::string& detached, int joined, MappedShim& shim, std::string& what);

// The maps are written: lets the shim go on, and connects to it once it serves.
int go_on_mapped(MappedShim& shim, const Launch& launch, unique_fd& socket, std::string& what);

// Copies the shim's executable to where nobody can change the copy. 0 or -errno.
int copy_shim(const std::string& path, unique_fd& out);

// Connects to the shim of a detached container by the socket in the container's folder.
int connect_to_path(const std::string& folder, unique_fd& socket, std::string& what);

}  // namespace nacelle
