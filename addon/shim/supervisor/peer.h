#pragma once

#include <string>

namespace nacelle {

// Whether the process at the other end of a socket is of the shim's own user, and in its own user, mount and pid namespaces. The user alone
// says too little: root in a container may have the same uid.
//
// A mapped shim (wire/mapping.h) is in another user namespace than those who may connect, and may not look at theirs: `map` is then the
// text of their uid_map as this shim reads that. A process in a container has another, and more than one number as a process. Other mapped
// shims of this user, which are in this shim's own namespaces, may connect to such a one too.
bool is_own_kind(int socket, const std::string& map);

// Reads the uid_map of the process that made the socket's other end. 0 or -errno.
int read_peers_map(int socket, std::string& map);

}  // namespace nacelle
