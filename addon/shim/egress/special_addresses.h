#pragma once

#include <string>
#include <vector>

#include "block.h"

namespace nacelle::egress {

// The addresses that a packet to this one can end at: itself, and the IPv4 address inside it, to which a translator or a tunnel on the way
// would take it: IPv4-mapped (RFC 4291), NAT64 with the well-known prefix (RFC 6052), 6to4 (RFC 3056). A mapped address is only the inner
// one.
std::vector<std::string> ends_of(const std::string& address);

// The block of addresses that are no hosts of the internet, in which an address lies; null when it is a public one. Such are private,
// link-local, shared and loopback addresses, those where clouds tell a machine its secrets, and all that is reserved (RFC 6890).
const Block* special_block(const std::string& address);

}  // namespace nacelle::egress
