#include "own_address.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "../kernel/unique_fd.h"
#include "../names/address.h"
#include "special_addresses.h"

namespace nacelle::egress {
namespace {

// Asks the kernel's own routes, which are always as they are now: to an address of the machine's, it sends from that same address. Nothing
// is sent. Where the kernel can't be asked, the address may be the machine's.
bool leads_home(const std::string& address) {
  constexpr uint16_t kAnyPort = 9;
  sockaddr_storage target;
  const socklen_t size = names::socket_address(address, kAnyPort, target);
  const unique_fd fd(socket(target.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return true;
  // to its own addresses it has routes
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&target), size) < 0) return errno != ENETUNREACH && errno != EHOSTUNREACH;
  sockaddr_storage source{};
  socklen_t source_size = sizeof source;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&source), &source_size) < 0) return true;
  uint16_t port = 0;
  return names::address_of(source, port) == address;
}

}  // namespace

bool is_own_address(const std::string& address) {
  const std::vector<std::string> ends = ends_of(address);
  return std::any_of(ends.begin(), ends.end(), leads_home);
}

}  // namespace nacelle::egress
