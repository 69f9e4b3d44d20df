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
//   stub=PATH      what was made there to mount upon is left out while it is an empty file or folder: what a program
//                  puts in its place is the layer's
//
// Folders that were made on the way to such a place are stubs too, and a folder that only got a stub is as it was. Paths
// are those inside the container, without '/' at their ends.
class LeaveOut {
 public:
  // Adds an option. False for another key, and for a value that is no path.
  bool add(std::string_view key, std::string_view value);
  // Replaces each path by the one to which its links lead in the lower layers, since a mount lies at the end of the links. 0 or -errno.
  int resolve(const Merged& lower);

  bool excludes(const std::string& path) const { return !exclude_.empty() && exclude_.count(path) > 0; }
  bool empties(const std::string& path) const { return !empty_.empty() && empty_.count(path) > 0; }
  // Whether the path may be there only because something was mounted on it or below it; it was missing then.
  bool may_be_stub(const std::string& path) const { return !stubs_.empty() && stubs_.count(path) > 0; }
  // Whether the folder may be in the upper only because something below it was mounted upon; it is in the lower layers.
  bool may_lead_to_stub(const std::string& path) const { return !ways_.empty() && ways_.count(path) > 0; }

 private:
  std::unordered_set<std::string> exclude_, empty_, mounted_, stubs_, ways_;
};

}  // namespace nacelle::layer
