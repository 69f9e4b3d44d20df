#include "endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace nacelle::relay {
namespace {

constexpr size_t kIpv4Size = sizeof(in_addr), kIpv6Size = sizeof(in6_addr);
constexpr uint32_t kLastPort = 65535;

}  // namespace

bool parse_endpoint(const std::string& text, uint16_t port, Endpoint& out) {
  char bytes[kIpv6Size];
  out.port = port;
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) return out.address.assign(bytes, kIpv4Size), true;
  if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) return out.address.assign(bytes, kIpv6Size), true;
  return false;
}

void write_endpoint(Writer& writer, const Endpoint& endpoint) {
  writer.bytes(endpoint.address.data(), endpoint.address.size()).u32(endpoint.port);
}

bool read_endpoint(Reader& reader, Endpoint& out) {
  const Bytes address = reader.bytes();
  const uint32_t port = reader.u32();
  if (!reader.ok() || (address.size != kIpv4Size && address.size != kIpv6Size) || port == 0 || port > kLastPort) return false;
  out.address.assign(address.data, address.size);
  out.port = static_cast<uint16_t>(port);
  return true;
}

void write_endpoints(Writer& writer, const std::vector<Endpoint>& all) {
  writer.u32(static_cast<uint32_t>(all.size()));
  for (const Endpoint& endpoint : all) write_endpoint(writer, endpoint);
}

bool read_endpoints(Reader& reader, std::vector<Endpoint>& out) {
  const uint32_t count = reader.u32();
  for (uint32_t i = 0; i < count; ++i) {
    Endpoint endpoint;
    if (!read_endpoint(reader, endpoint)) return false;
    out.push_back(endpoint);
  }
  return reader.ok();
}

socklen_t socket_address(const Endpoint& endpoint, sockaddr_storage& out) {
  out = {};
  if (endpoint.address.size() == kIpv4Size) {
    auto& address = reinterpret_cast<sockaddr_in&>(out);
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    std::memcpy(&address.sin_addr, endpoint.address.data(), kIpv4Size);
    return sizeof address;
  }
  auto& address = reinterpret_cast<sockaddr_in6&>(out);
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(endpoint.port);
  std::memcpy(&address.sin6_addr, endpoint.address.data(), kIpv6Size);
  return sizeof address;
}

}  // namespace nacelle::relay
