#pragma once

#include <cstdint>
#include <string>

namespace nacelle::egress {

// Where a connection was going before a rule of its network namespace led it to the socket that accepted it (SO_ORIGINAL_DST). A connection
// to that socket itself has the socket's own address. '' when the kernel does not know.
std::string original_destination(int fd, uint16_t& port);

}  // namespace nacelle::egress
