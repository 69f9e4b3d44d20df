#pragma once

#include <cstdint>

namespace nacelle {

// Control group folders are made as by mkdir -p, and removed bottom-up. A busy group is -EBUSY: the caller tries again.
int make_group(int at, const char* path);
int remove_group(int at, const char* path);

// Gives a v1 group cpuset.cpus and cpuset.mems. A group whose list is empty gets that of the nearest group above that has one, and so do
// those between; at most `most` groups, counted upward from this one, are written to. Returns 0 or -errno.
int inherit_cpuset(int at, const char* path, uint64_t most);

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
