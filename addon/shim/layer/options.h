#pragma once

#include <cerrno>
#include <cstddef>
#include <string_view>

#include "tar_header.h"

// Options as 'key=value' texts.
namespace nacelle::layer {

// Gives each option to `set(key, value)`, which returns whether it is valid. 0 or -EINVAL.
template <typename Set>
int parse_options(const char* const* options, size_t count, Set set) {
  for (size_t i = 0; i < count; ++i) {
    const std::string_view option = options[i];
    const size_t equals = option.find('=');
    if (equals == std::string_view::npos || !set(option.substr(0, equals), option.substr(equals + 1))) return -EINVAL;
  }
  return 0;
}

// Sets `chosen` by one of two words; false for any other word.
inline bool choose(std::string_view value, std::string_view no, std::string_view yes, bool& chosen) {
  chosen = value == yes;
  return chosen || value == no;
}

}  // namespace nacelle::layer
