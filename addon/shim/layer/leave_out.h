#pragma once

#include <string>
#include <string_view>
#include <unordered_set>

#include "merged.h"

namespace nacelle::layer {

// What of an overlay's changes was made or written for others than the layer:
//
//   exclude=PATH   neither it nor what is below it: a place that is mounted over
//   empty=PATH     a folder without what is in it: a volume
//
// Paths are those inside, without '/' at their ends.
class LeaveOut {
 public:
  // An option; false for another key, and for what is no path.
  bool add(std::string_view key, std::string_view value);
  // Follows the links in the paths, as they lead in the lower layers: what is mounted on a path lies at its end. 0 or -errno.
  int resolve(const Merged& lower);

  bool excludes(const std::string& path) const { return !exclude_.empty() && exclude_.count(path) > 0; }
  bool empties(const std::string& path) const { return !empty_.empty() && empty_.count(path) > 0; }

 private:
  std::unordered_set<std::string> exclude_, empty_;
};

}  // namespace nacelle::layer
