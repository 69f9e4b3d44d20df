#include "implied.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "folder.h"
#include "overlay_marks.h"
#include "path.h"
#include "xattrs.h"

namespace nacelle::layer {
namespace {

// How often lower layers may be looked at: so often for each allowed entry, and at least so often in all. Few layers imply folders, but a
// hostile one could imply many deep ones over many layers.
constexpr uint64_t kLooksPerEntry = 16, kLeastLooks = 10'000;

bool is_missing(int result) { return result == -ENOENT || result == -ENOTDIR; }

// Finds what of the lower layers shows at `path` through what this layer has so far. A whiteout, a file or an opaque folder hides it, and a
// link leads elsewhere. 0 or -errno.
int look_below(Unpacking& work, std::string_view path, Found& found) {
  found = Found{};
  unique_fd ours;  // this layer's folder; empty below the point where this layer has none
  if (const int result = open_folder(work.tree.root(), ".", ours); result < 0) return result;
  std::optional<Found> last;
  for (size_t start = 0; start < path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string name(path.substr(start, end - start));
    start = end + 1;
    OverlayMarks marks;
    if (const int result = ours ? read_overlay_marks(ours.get(), work.lower.marks, marks) : 0; result < 0) return result;
    if (marks.opaque) return 0;
    const Merged& lower = last ? last->folder : work.lower;
    work.looks += lower.folders.size();
    if (work.looks > kLeastLooks && work.looks / kLooksPerEntry > work.options.most_entries) return -kBeyondLimit;
    Found next;
    if (const int result = look_up(lower, name.c_str(), next); result < 0) return result;
    if (!next.exists || !S_ISDIR(next.status.st_mode)) return 0;
    last = std::move(next);
    if (!ours) continue;
    unique_fd inner;
    const int result = open_folder(ours.get(), name.c_str(), inner);
    if (result == -ENOTDIR || result == -ELOOP) return 0;  // a whiteout, a link or a file of this layer
    if (result < 0 && result != -ENOENT) return result;
    ours = std::move(inner);
  }
  if (last) found = std::move(*last);
  return 0;
}

int read_attributes(Unpacking& work, const std::string& path, TarEntry& folder) {
  Found below;
  if (const int result = look_below(work, path, below); result < 0) return result;
  if (!below.exists) return 0;
  folder.mode = below.status.st_mode & 07777;
  folder.uid = below.status.st_uid;
  folder.gid = below.status.st_gid;
  folder.mtime = below.status.st_mtim;
  return read_xattrs(below.folder.folders.front().get(), folder.xattrs);
}

int make_implied(Unpacking& work, const TarEntry& entry, const std::string& path, Failure& why) {
  const SplitPath split = split_path(path);
  const int parent = work.tree.folder(split.folder, why);
  if (parent < 0) return parent;
  struct stat status;
  // A whiteout of this layer stands for a lower folder; a link to nowhere or a file stays and is an error.
  if (status_of(parent, split.name, status) == 0 && !(work.tree.overlay() && is_whiteout_device(status))) {
    return fail(why, ENOTDIR, "the folder %s: something else is there", shown(path).c_str());
  }
  if (work.tree.count() < 0) return too_many(entry, why);
  TarEntry folder;
  folder.name = path;
  folder.type = tar::kDirectory;
  folder.mode = 0755;
  folder.mtime = entry.mtime;
  if (const int result = read_attributes(work, path, folder); result < 0) {
    const char* what = result == -kBeyondLimit ? "looking for it in the lower layers is more work than maxEntries allows"
                                               : "reading its attributes in the lower layers";
    return fail(why, -result, "the folder %s: %s", shown(path).c_str(), what);
  }
  return make_folder(work, folder, path, parent, split.name, why);
}

}  // namespace

int folder_for(Unpacking& work, const TarEntry& entry, std::string_view path, Failure& why) {
  const int found = work.tree.folder(path, why);
  if (!is_missing(found)) return found;
  // Each prefix is resolved from the root again: only then do the links in it stay inside.
  for (size_t end = 0; end < path.size(); ++end) {
    end = std::min(path.find('/', end), path.size());
    const std::string prefix(path.substr(0, end));
    int result = work.tree.folder(prefix, why);
    if (is_missing(result)) result = make_implied(work, entry, prefix, why);
    if (result < 0) return result;
  }
  return work.tree.folder(path, why);
}

}  // namespace nacelle::layer
