#pragma once

#include <cstdint>

namespace nacelle {

// What a process of ours does with files that others wrote; then it ends.
enum class Work : uint8_t { kUnpack, kPack, kChanges, kCopyOut };

// 'unpack', 'pack', 'changes', 'copy_out'. False: no work is called so.
bool find_work(const char* name, Work& out);

// Leaves this process the system calls of its work and no others: to read an open stream, or files and folders below what it can see;
// memory without code in it; a word on `channel`, and on `output` what it has found (-1: it has none); the end. Unpacking alone makes,
// changes and removes files. No sockets, programs, processes, mounts, descriptors of others, or limits. Any other call kills the process:
// the code is ours and the list is all that it calls, so another is a bug or an attack, and neither is to go on. Asks for no_new_privs or
// CAP_SYS_ADMIN. 0 or -errno.
int allow_calls_of(Work work, int channel, int output);

}  // namespace nacelle
