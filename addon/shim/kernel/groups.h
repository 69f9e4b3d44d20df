#pragma once

#include <cstdint>

namespace nacelle {

// Control group folders are made as by mkdir -p, and removed bottom-up. A busy group is -EBUSY: the caller tries again.
int make_group(int at, const char* path);
int remove_group(int at, const char* path);

// Copies cpuset.cpus and cpuset.mems of the parent into a v1 group that has none. A parent that has none itself is given some first, and so
// on: `groups` may be given some, this one and those right above it.
int inherit_cpuset(int at, const char* path, uint64_t groups);

// Sets the real-time run time of a v1 group and those below it to 0. Groups that are removed with some keep it for an RCU grace period.
int release_real_time(int at, const char* path);

// SIGKILL to everything in the group and below it, frozen or not; a frozen group is thawed where it could not die otherwise.
// 0: no process is left. -EBUSY: some have not ended yet, or were born meanwhile, and the caller tries again.
int kill_group(int at, const char* path);

// Whether a descriptor is of a control group file system, of either version.
bool is_group(int fd);

// 1 when processes are in the group or below it, 0 when none are or it is not there; -errno when that can't be told.
int is_populated(int at, const char* path);

// Calls `visit` for each group right below one; stops when that returns anything but 0, and returns it.
int each_group(int at, const char* path, int (*visit)(int at, const char* name));

}  // namespace nacelle
