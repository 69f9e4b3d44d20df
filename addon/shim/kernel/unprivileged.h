#pragma once

// What our own confined processes give up.
namespace nacelle {

// Gives up all rights that the process can do without, takes the name, and dies with its parent from now on: root becomes the greatest
// user id that there is. Descriptors and memory stay. 0 or -errno. A filter of system calls (syscall_filter.h) is to come after.
int become_unprivileged(const char* name);

}  // namespace nacelle
