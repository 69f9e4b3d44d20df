#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nacelle {

// A mount as /proc/PID/mountinfo has it (proc_pid_mountinfo(5)).
struct MountInfo {
  uint64_t id = 0;
  uint64_t parent = 0;
  std::string root;  // what of its file system is mounted
  std::string path;  // where
  std::string type;  // of the file system
};

// All mounts that an open mountinfo has now. 0 or -errno: -EPROTO for a text of another form.
int read_mountinfo(int mountinfo, std::vector<MountInfo>& mounts);

}  // namespace nacelle
