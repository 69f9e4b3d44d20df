#pragma once

namespace nacelle {

// Control group folders: made as mkdir -p, removed bottom-up. A busy one is -EBUSY, to be tried again.
int make_group(int at, const char* path);
int remove_group(int at, const char* path);

// SIGKILL to everything in the group: cgroup.kill (Linux 5.14), else each process until none is left to be seen.
int kill_group(int at, const char* path);

// Whether processes are in the group, on v2 also in those below it. One that is not there has none.
bool is_populated(int at, const char* path);

// A folder and everything in it, never across a mount and never through a link.
int remove_tree(int at, const char* path);

}  // namespace nacelle
