#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace nacelle::names {

// An address is a string of its bytes, in the network's order: 4 of IPv4, 16 of IPv6.
constexpr size_t kIpv4Size = 4, kIpv6Size = 16;

// '10.89.0.2', 'fd00::2'. False when the text is no address.
bool parse_address(const std::string& text, std::string& out);

// The address that a name of a PTR question stands for ('2.0.89.10.in-addr.arpa', or 32 digits and 'ip6.arpa'), in lower case.
// False when the name is none, or lacks parts.
bool parse_reverse_name(const std::string& name, std::string& out);

// The address of a socket of the family that the address is of; its size.
socklen_t socket_address(const std::string& address, uint16_t port, sockaddr_storage& out);
// What socket_address() made it of. '' for another family.
std::string address_of(const sockaddr_storage& from, uint16_t& port);

}  // namespace nacelle::names
