#include "merged.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "folder.h"

namespace nacelle::layer {

int look_up(const Merged& merged, const char* name, Found& found) {
  found = Found{};
  found.folder.marks = merged.marks;
  for (const unique_fd& layer : merged.folders) {
    struct stat status;
    const int there = status_of(layer.get(), name, status);
    if (there == -ENOENT) continue;
    if (there < 0) return there;
    const int hidden = is_whiteout(layer.get(), name, status, merged.marks);
    if (hidden < 0) return hidden;
    if (hidden > 0) return 0;
    if (!found.exists) found.status = status;
    if (!S_ISDIR(status.st_mode)) {
      found.exists = true;
      return 0;
    }
    found.exists = true;
    unique_fd folder;
    OverlayMarks marks;
    if (const int result = open_folder(layer.get(), name, folder); result < 0) return result;
    if (const int result = read_overlay_marks(folder.get(), merged.marks, marks); result < 0) return result;
    if (marks.partial) return -EOPNOTSUPP;
    found.folder.folders.push_back(std::move(folder));
    if (marks.opaque) return 0;
  }
  return 0;
}

int open_layers(const int* tops, size_t count, MarkNames marks, Merged& merged) {
  merged.marks = marks;
  for (size_t i = 0; i < count; ++i) {
    if (const int result = open_folder(tops[i], ".", merged.folders.emplace_back()); result < 0) return result;
  }
  return 0;
}

int merged_names(const Merged& merged, std::vector<std::string>& names) {
  std::vector<std::string> all;
  for (const unique_fd& layer : merged.folders) {
    std::vector<std::string> some;
    if (const int result = read_names(layer.get(), some); result < 0) return result;
    all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  names.clear();
  for (std::string& name : all) {
    Found found;
    if (const int result = look_up(merged, name.c_str(), found); result < 0) return result;
    if (found.exists) names.push_back(std::move(name));
  }
  return 0;
}

}  // namespace nacelle::layer
