#pragma once

// Processes of ours that stay inside a container's namespaces. Whoever has CAP_SYS_PTRACE there can read them, and a
// fork of the shim has a copy of its memory, with the plans of all containers: so these execute the shim's file
// anew, as reaper.h. `executable` is open_executable's.
namespace nacelle {

// The caller becomes process 1 of a container with `init: true`, its child goes on with the plan, once nothing of the
// shim's memory is left in process 1. 0 in the child; else only when it failed: -errno.
int fork_init(int executable, int channel);

// Keeps its namespaces alive, and reaps what is left to it there. Returns only -errno.
int hold_namespaces(int executable);

}  // namespace nacelle
