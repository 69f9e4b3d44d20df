#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "failure.h"

// Names in an archive, checked before anything is looked up. Pure.
namespace nacelle::layer {

struct PathLimits {
  uint64_t length, depth;
};

// A name as a path below the root: no slash at its ends, none doubled, no '.'; empty for the root itself.
// Refused: '..', nothing at all, a component over 255 bytes, a folder named as a whiteout; -kBeyondLimit for what exceeds the limits.
int check_path(std::string_view name, const PathLimits& limits, std::string& path, Failure& why);

struct SplitPath {
  std::string_view folder;
  const char* name;  // ends where the path ends
};
SplitPath split_path(const std::string& path);

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";

enum class Whiteout { none, hide, opaque };
// What a last component says: '.wh.NAME' hides NAME, '.wh..wh..opq' all that is in its folder in lower layers.
// Anything else that begins with '.wh.' is refused.
int parse_whiteout(std::string_view name, Whiteout& kind, Failure& why);

}  // namespace nacelle::layer
