#pragma once

#include "../kernel/unique_fd.h"

namespace nacelle {

// Ends the tree of a program that has neither a pid namespace nor a group: a process that lies in a Landlock domain of its own, around that
// of the program, in which SIGKILL for every process (kill(2) with -1) reaches what the program started and nothing else (Linux 6.12). The
// kernel keeps the program's side from sending signals to the guard, and from tracing it.

// Confines the calling process to a new domain for signals, and forks the guard in it. `out`: our end of its socket. When that is shut
// down, or closed since the shim has died, the guard kills all in its domain, waits until they are gone, and ends. No parent needs to wait
// for it.
int fork_guard(unique_fd& out);

// Has the guard end the tree. -EBUSY while something of the tree is left, -ECHILD when somebody has killed the guard.
int end_guarded(int guard);

}  // namespace nacelle
