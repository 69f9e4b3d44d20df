#include "own_groups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "../kernel/file_io.h"
#include "lines.h"
#include "whole_text.h"

namespace nacelle {
namespace {

constexpr size_t kMostTold = 4 * 1024 * 1024;
constexpr char kOwnGroup[] = "/nacelle-oci";

// Where a line of /proc/self/mountinfo (proc_pid_mountinfo(5)) has the top of a hierarchy mounted; empty for all else. A path with spaces
// is written otherwise there, and then not found.
std::string top_of(std::string_view line) {
  const size_t end = line.find(" - ");
  if (end == std::string_view::npos) return {};
  std::string_view type = line.substr(end + 3);
  const std::string_view kind = take_word(type);
  if (kind != "cgroup" && kind != "cgroup2") return {};
  for (int skipped = 0; skipped < 3; ++skipped) take_word(line);
  if (take_word(line) != "/") return {};
  return std::string(take_word(line));
}

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
  std::string mounts, groups;
  if (read_text(AT_FDCWD, "/proc/self/mountinfo", kMostTold, mounts) < 0) return false;
  Lines mounted(mounts);
  for (std::string_view line; mounted.next(line);) {
    const std::string top = top_of(line);
    if (!top.empty()) enter_top(top);
  }
  if (read_text(AT_FDCWD, "/proc/self/cgroup", kMostTold, groups) < 0) return false;
  Lines left(groups);
  for (std::string_view line; left.next(line);) {
    if (!is_own(line)) return false;
  }
  return true;
}

}  // namespace nacelle
