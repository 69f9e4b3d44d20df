#include "original_destination.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "../names/address.h"

namespace nacelle::egress {
namespace {

// linux/netfilter_ipv4.h and linux/netfilter_ipv6/ip6_tables.h, which don't go with the C library's headers.
constexpr int kOriginalDestination = 80;

}  // namespace

std::string original_destination(int fd, uint16_t& port) {
  int family = 0;
  socklen_t family_size = sizeof family;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &family_size) < 0) return {};
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int level = family == AF_INET6 ? SOL_IPV6 : SOL_IP;
  if (getsockopt(fd, level, kOriginalDestination, &address, &size) < 0) return {};
  return names::address_of(address, port);
}

}  // namespace nacelle::egress
