#include "stubs.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "folder.h"
#include "overlay_marks.h"
#include "xattrs.h"

namespace nacelle::layer {
namespace {

// Finds the folder at a path without links. 0 or -errno.
int find_below(const Merged& lower, const std::string& path, Found& found) {
  const Merged* here = &lower;
  for (size_t start = 0; start < path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    Found next;
    if (const int result = look_up(*here, path.substr(start, end - start).c_str(), next); result < 0) return result;
    found = std::move(next);
    here = &found.folder;
    start = end + 1;
  }
  return 0;
}

// Whether all that a folder has is left out.
int holds_nothing(int folder, const std::string& path, const LeaveOut& leave_out, const Merged& lower) {
  std::vector<std::string> names;
  if (const int result = read_names(folder, names); result < 0) return result;
  for (const std::string& name : names) {
    std::string inner = path;
    inner.append("/").append(name);
    if (leave_out.excludes(inner)) continue;
    if (const int result = is_stub(folder, name, inner, leave_out, lower); result <= 0) return result;
  }
  return 1;
}

}  // namespace

int is_unchanged(int folder, const Found& below) {
  struct stat status {};
  if (fstat(folder, &status) < 0) return -errno;
  const struct stat& before = below.status;
  if (below.folder.folders.empty() || status.st_mode != before.st_mode || status.st_uid != before.st_uid || status.st_gid != before.st_gid)
    return 0;
  std::vector<Xattr> ours, theirs;
  int result = read_xattrs(folder, ours);
  if (result == 0) result = read_xattrs(below.folder.folders.front().get(), theirs);
  const auto same = [](const Xattr& a, const Xattr& b) { return a.name == b.name && a.value == b.value; };
  return result < 0 ? result : static_cast<int>(std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(), same));
}

int is_stub(int parent, const std::string& name, const std::string& path, const LeaveOut& leave_out, const Merged& lower) {
  const bool was_missing = leave_out.may_be_stub(path);
  if (!was_missing && !leave_out.may_lead_to_stub(path)) return 0;
  struct stat status {};
  const int found = status_of(parent, name.c_str(), status);
  if (found < 0) return found == -ENOENT ? 0 : found;  // it was removed after its folder was read
  if (!S_ISDIR(status.st_mode)) return static_cast<int>(was_missing && S_ISREG(status.st_mode) && status.st_size == 0);
  unique_fd fd;
  OverlayMarks marks;
  int result = open_folder(parent, name.c_str(), fd);
  if (result == 0) result = read_overlay_marks(fd.get(), lower.marks, marks);
  if (result < 0) return result;
  if (was_missing) return holds_nothing(fd.get(), path, leave_out, lower);
  Found below;
  result = marks.opaque ? 0 : find_below(lower, path, below);
  if (result < 0 || marks.opaque) return result;
  result = is_unchanged(fd.get(), below);
  return result <= 0 ? result : holds_nothing(fd.get(), path, leave_out, lower);
}

}  // namespace nacelle::layer
