#include <cstdint>
#include <string>

#include "../../kernel/fuzz/require.h"
#include "../relay_request.h"

// libFuzzer target for what comes to the relay's two processes: requests of the shim, and dials of a relay that a container has taken over;
// and for what such a relay tells the shim. The first byte says which it is. What is read is written again as the same bytes, and an
// endpoint is an address that connect(2) takes.
namespace {

using namespace nacelle::relay;
using nacelle::require;

void check_endpoint(const Endpoint& endpoint) {
  sockaddr_storage address;
  const socklen_t size = socket_address(endpoint, address);
  require(endpoint.port != 0 && (endpoint.address.size() == 4 || endpoint.address.size() == 16));
  require(address.ss_family == (endpoint.address.size() == 4 ? AF_INET : AF_INET6) && size <= sizeof address);
}

void take_request(const char* data, size_t size) {
  Request request;
  if (!read_request(data, size, request)) return;
  for (const Endpoint& endpoint : request.endpoints) check_endpoint(endpoint);
  require(bytes_of(request) == std::string(data, size));
}

void take_dial(const char* data, size_t size) {
  uint64_t stream = 0;
  if (read_end(data, size, stream)) require(bytes_of_end(stream) == std::string(data, size));
  Dial dial;
  if (!read_dial(data, size, dial)) return;
  if (dial.name.empty()) check_endpoint(dial.to);
  require(bytes_of(dial) == std::string(data, size));
}

// What the relay says that a container was refused.
void take_refusal(const char* data, size_t size) {
  nacelle::egress::Refusal refusal;
  if (!read_refusal(data, size, refusal)) return;
  require(refusal.address.empty() || refusal.address.size() == 4 || refusal.address.size() == 16);
  nacelle::egress::Refusal again;
  const std::string bytes = bytes_of(1, refusal);
  require(read_refusal(bytes.data(), bytes.size(), again) && again.host == refusal.host && again.address == refusal.address);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto* rest = reinterpret_cast<const char*>(data) + 1;
  switch (data[0] % 3) {
    case 0:
      take_request(rest, size - 1);
      break;
    case 1:
      take_dial(rest, size - 1);
      break;
    default:
      take_refusal(rest, size - 1);
  }
  return 0;
}
