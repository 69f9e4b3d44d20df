#pragma once

#include <cstddef>
#include <string>

#include "../names/address.h"

namespace nacelle::egress {

// Addresses with a common front, as CIDR notation has them. The bytes behind the prefix are zero.
struct Block {
  std::string bytes;  // of the first address: 4 or 16
  size_t prefix = 0;  // in bits

  bool contains(const std::string& address) const;
  // Whether all of another block lies in this one.
  bool contains(const Block& other) const { return other.prefix >= prefix && contains(other.bytes); }
};

// '10.1.0.0/16', 'fd00::/8'; an address alone is a block of one. False when the text is none, or has bits behind the prefix.
bool parse_block(const std::string& text, Block& out);

}  // namespace nacelle::egress
