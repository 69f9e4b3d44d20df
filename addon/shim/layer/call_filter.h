#pragma once

namespace nacelle {

// Leaves this process the system calls of unpacking a layer: reading an open stream, files and folders below what it can
// see, memory without code in it, a word on `channel`, and the end. No sockets, programs, processes, mounts,
// descriptors of others, or limits. Any other call kills the process: the code is ours and the list is all that it calls,
// so another is a bug or an attack, and neither is to go on. Asks for no_new_privs or CAP_SYS_ADMIN. 0 or -errno.
int allow_unpacking_calls(int channel);

}  // namespace nacelle
