#pragma once

// Processes of ours that stay inside a container's namespaces. Any process with CAP_SYS_PTRACE there can read them, and a fork of the shim
// has a copy of its memory, with the plans of all containers. So they execute the shim's file anew, in its init mode (reaper.h).
// `executable` comes from open_executable().
namespace nacelle {

// The caller becomes process 1 of a container with `init: true`. Its child goes on with the plan once nothing of the shim's memory is left
// in process 1. Returns 0 in the child, and in the caller only when it failed: -errno.
int fork_init(int executable, int channel);

// The caller keeps its namespaces alive, and reaps the orphans in them. Returns only when it failed: -errno.
int hold_namespaces(int executable);

}  // namespace nacelle
