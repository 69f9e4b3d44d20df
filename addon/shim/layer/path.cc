#include "path.h"

#include <algorithm>
#include <cerrno>

namespace nacelle::layer {
namespace {

constexpr size_t kMostComponent = 255;

bool is_whiteout_name(std::string_view name) { return name.substr(0, kWhiteoutPrefix.size()) == kWhiteoutPrefix; }

}  // namespace

int check_length(std::string_view path, Failure& why) {
  if (path.size() <= kLongestPath) return 0;
  return fail(why, ENAMETOOLONG, "%s: it lies too deep: its path has more than %zu bytes", shown(path).c_str(), kLongestPath);
}

int check_path(std::string_view name, const PathLimits& limits, std::string& path, Failure& why) {
  path.clear();
  const auto refused = [&](int error, const char* reason) { return fail(why, error, "entry %s: %s", shown(name).c_str(), reason); };
  if (name.empty()) return fail(why, EBADMSG, "an entry has no name");
  if (name.size() > limits.length) return refused(kBeyondLimit, "its path has more bytes than maxPathLength allows");
  uint64_t depth = 0;
  bool below_whiteout = false;
  for (size_t start = 0; start < name.size();) {
    const size_t end = std::min(name.find('/', start), name.size());
    const std::string_view component = name.substr(start, end - start);
    start = end + 1;
    if (component.empty() || component == ".") continue;
    if (component == "..") return refused(EPERM, "climbs out of the layer");
    if (component.size() > kMostComponent) return refused(ENAMETOOLONG, "a name in its path is longer than 255 bytes");
    if (++depth > limits.depth) return refused(kBeyondLimit, "its path is deeper than maxDepth allows");
    if (below_whiteout) return refused(EBADMSG, "a folder can't be a whiteout");
    below_whiteout = limits.whiteouts && is_whiteout_name(component);
    if (!path.empty()) path += '/';
    path += component;
  }
  return 0;
}

SplitPath split_path(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {{}, path.c_str()};
  return {std::string_view(path).substr(0, slash), path.c_str() + slash + 1};
}

int parse_whiteout(std::string_view name, Whiteout& kind, Failure& why) {
  kind = Whiteout::none;
  if (!is_whiteout_name(name)) return 0;
  if (name == kOpaqueName) {
    kind = Whiteout::opaque;
    return 0;
  }
  const std::string_view hidden = name.substr(kWhiteoutPrefix.size());
  if (hidden.empty() || hidden == "." || hidden == ".." || is_whiteout_name(hidden)) {
    return fail(why, EBADMSG, "entry %s: a whiteout of nothing that could be there", shown(name).c_str());
  }
  kind = Whiteout::hide;
  return 0;
}

}  // namespace nacelle::layer
