#pragma once

#include "../wire/plan.h"
#include "../wire/trace.h"

namespace nacelle {

// A clone3 of this process for one stage: pid (0 in the child) or -errno. CLONE_INTO_CGROUP needs Linux 5.7, and the kernel refuses
// some types of groups; both are failures.
pid_t clone_stage(const Stage& stage, const Slots& slots, uint64_t extra_flags, int* pidfd);

// What a container's process does from its clone to its execve; never returns. The process has one thread, a copy of the shim's memory,
// and of the shim's descriptors only the slots, the channel and the executable. It notes its steps in the trace, where that is on.
[[noreturn]] void child_main(const Stages& stages, uint32_t stage, Slots& slots, unique_fd channel, int executable, Trace& trace);

}  // namespace nacelle
