#pragma once

#include "../wire/plan.h"

namespace nacelle {

// A clone3 of this process for one stage: pid (0 in the child) or -errno. A kernel that lacks CLONE_INTO_CGROUP
// (before 5.7) or refuses the group's type says so; the caller has the child join by itself then.
pid_t clone_stage(const Stage& stage, const Slots& slots, uint64_t extra_flags, int* pidfd);

// What a container's process does from its clone to its execve; never returns. One thread, its own copy of the
// shim's memory, and nothing of the shim's descriptors but the slots, the channel and the executable.
[[noreturn]] void child_main(const Stages& stages, uint32_t stage, Slots& slots, unique_fd channel, int executable);

}  // namespace nacelle
