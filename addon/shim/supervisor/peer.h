#pragma once

namespace nacelle {

// Whether the process at the other end of a socket is of the shim's own user, and in its own user, mount and pid namespaces. The user alone
// says too little: root in a container may have the same uid.
bool is_own_kind(int socket);

}  // namespace nacelle
