#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "../wire/wire.h"

namespace nacelle::relay {

// An address, as its bytes in the network's order (4 of IPv4, 16 of IPv6), and a TCP port. On the wire: address (bytes), port (u32).
struct Endpoint {
  std::string address;
  uint16_t port = 0;
};

// 'text' as '127.0.0.1' or '::1'. False when it is no address.
bool parse_endpoint(const std::string& text, uint16_t port, Endpoint& out);

void write_endpoint(Writer& writer, const Endpoint& endpoint);
// False when the bytes are none; the reader is at its end then, and not ok().
bool read_endpoint(Reader& reader, Endpoint& out);

void write_endpoints(Writer& writer, const std::vector<Endpoint>& all);
bool read_endpoints(Reader& reader, std::vector<Endpoint>& out);

// Its family is that of the size of the address.
socklen_t socket_address(const Endpoint& endpoint, sockaddr_storage& out);

}  // namespace nacelle::relay
