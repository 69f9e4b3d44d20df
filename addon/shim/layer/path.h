#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "failure.h"

// Names in an archive, checked before anything is looked up. Pure.
namespace nacelle::layer {

struct PathLimits {
  uint64_t length, depth;
  bool whiteouts = true;  // whether names have the meaning that a layer gives them
};

// Bytes of the longest path that a system call takes. What lies deeper no program opens by its path; reading it all the same would cost
// memory, and a list of it space, by the square of the depth.
constexpr size_t kLongestPath = 4095;
// Refuses a longer path, which does not begin with '/'.
int check_length(std::string_view path, Failure& why);

// Makes a path below the root of a name: without slashes at its ends, doubled slashes and '.'; empty for the root itself.
// Refused: '..', nothing at all, a component over 255 bytes, a folder named as a whiteout; -kBeyondLimit for what exceeds the limits.
int check_path(std::string_view name, const PathLimits& limits, std::string& path, Failure& why);

struct SplitPath {
  std::string_view folder;
  const char* name;  // points into the path, and ends where that ends
};
SplitPath split_path(const std::string& path);

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";

enum class Whiteout { none, hide, opaque };
// Tells what a last component means: '.wh.NAME' hides NAME, and '.wh..wh..opq' hides all that lower layers have in its folder. Anything
// else that begins with '.wh.' is refused.
int parse_whiteout(std::string_view name, Whiteout& kind, Failure& why);

}  // namespace nacelle::layer
