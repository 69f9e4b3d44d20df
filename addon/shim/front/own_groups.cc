#include "own_groups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "../kernel/file_io.h"
#include "../kernel/mountinfo.h"
#include "../kernel/text_lines.h"
#include "../kernel/whole_text.h"

namespace nacelle {
namespace {

constexpr size_t kMostTold = 4 * 1024 * 1024;
constexpr char kOwnGroup[] = "/nacelle-oci";

// The top of a hierarchy of groups.
bool is_top(const MountInfo& mount) { return (mount.type == "cgroup" || mount.type == "cgroup2") && mount.root == "/"; }

int enter(const std::string& group) {
  const unique_fd processes(open((group + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  if (!processes) return -errno;
  return write_all(processes.get(), "0", 1);
}

void enter_top(const std::string& top) {
  if (enter(top) != -EBUSY) return;
  const std::string own = top + kOwnGroup;
  if (mkdir(own.c_str(), 0755) == 0 || errno == EEXIST) static_cast<void>(enter(own));
}

// A line of /proc/self/cgroup ends with the path after its second colon.
bool is_own(std::string_view line) {
  const size_t first = line.find(':'), second = line.find(':', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return false;
  const std::string_view path = line.substr(second + 1);
  return path == "/" || path == kOwnGroup;
}

}  // namespace

bool leave_groups() {
  const unique_fd mountinfo(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  std::vector<MountInfo> mounts;
  if (!mountinfo || read_mountinfo(mountinfo.get(), mounts) < 0) return false;
  for (const MountInfo& mount : mounts) {
    if (is_top(mount)) enter_top(mount.path);
  }
  std::string groups;
  if (read_text(AT_FDCWD, "/proc/self/cgroup", kMostTold, groups) < 0) return false;
  Lines left(groups);
  for (std::string_view line; left.next(line);) {
    if (!is_own(line)) return false;
  }
  return true;
}

}  // namespace nacelle
