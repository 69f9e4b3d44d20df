#include "name_sockets.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>

namespace nacelle {
namespace {

constexpr uint16_t kPort = 53;

sockaddr_in socket_address(uint32_t address) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(address);
  out.sin_port = htons(kPort);
  return out;
}

// A socket at the address, which is the namespace's own once its loopback is up. A container that shares the namespace has such sockets
// too, and they go on when one of the two ends.
int bound_socket(uint32_t at, int type, unique_fd& out) {
  constexpr int kOn = 1;
  const sockaddr_in address = socket_address(at);
  out.reset(socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!out) return -errno;
  if (setsockopt(out.get(), SOL_SOCKET, SO_REUSEPORT, &kOn, sizeof kOn) < 0) return -errno;
  if (setsockopt(out.get(), IPPROTO_IP, IP_FREEBIND, &kOn, sizeof kOn) < 0) return -errno;
  return bind(out.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ? -errno : 0;
}

}  // namespace

int open_name_sockets(uint32_t address, unique_fd (&out)[2]) {
  int result = bound_socket(address, SOCK_DGRAM, out[0]);
  if (result == 0) result = bound_socket(address, SOCK_STREAM, out[1]);
  if (result < 0) return result;
  return listen(out[1].get(), SOMAXCONN) < 0 ? -errno : 0;
}

int open_asking_socket(uint32_t address, unique_fd& out) {
  const sockaddr_in to = socket_address(address);
  out.reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!out) return -errno;
  return connect(out.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0 ? -errno : 0;
}

}  // namespace nacelle
