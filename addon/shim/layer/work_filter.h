#pragma once

#include <cstdint>

namespace nacelle {

// The work that a process of ours does with files that others wrote, before it ends.
enum class Work : uint8_t { kUnpack, kPack, kChanges, kCopyOut };

// 'unpack', 'pack', 'changes', 'copy_out'. False when no work has that name.
bool find_work(const char* name, Work& out);

// Allows this process the system calls of its work and no others. It may read an open stream, or files and folders below what it can see;
// map memory without code; send messages on `channel`; write to `output` what it has found (-1: it has none); and end. Only unpacking may
// make, change and remove files. There are no calls for sockets, programs, processes, mounts, descriptors of others, or limits. Any other
// call kills the process: the list has all calls that our code makes, so another one is a bug or an attack. The process needs
// no_new_privs or CAP_SYS_ADMIN. 0 or -errno.
int allow_calls_of(Work work, int channel, int output);

}  // namespace nacelle
