#pragma once

#include <string>
#include <string_view>
#include <unordered_set>

#include "merged.h"

namespace nacelle::layer {

// Changes in an overlay that do not belong into the layer, since they were made for mounts:
//
//   exclude=PATH   the path and all below it are left out: a place that something is mounted on
//   empty=PATH     the folder is kept without its content: a volume
//
// Paths are those inside the container, without '/' at their ends.
class LeaveOut {
 public:
  // Adds an option. False for another key, and for a value that is no path.
  bool add(std::string_view key, std::string_view value);
  // Replaces each path by the one to which its links lead in the lower layers, since a mount lies at the end of the links. 0 or -errno.
  int resolve(const Merged& lower);

  bool excludes(const std::string& path) const { return !exclude_.empty() && exclude_.count(path) > 0; }
  bool empties(const std::string& path) const { return !empty_.empty() && empty_.count(path) > 0; }

 private:
  std::unordered_set<std::string> exclude_, empty_;
};

}  // namespace nacelle::layer
