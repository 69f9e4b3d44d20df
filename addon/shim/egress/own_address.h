#pragma once

#include <string>

namespace nacelle::egress {

// Whether an address is one of this machine's, in the network namespace that the process is in; also behind a translator or a tunnel.
bool is_own_address(const std::string& address);

}  // namespace nacelle::egress
