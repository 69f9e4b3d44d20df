#include "name_sockets.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>

namespace nacelle {
namespace {

// Where docker's containers ask, too.
constexpr uint32_t kAddress = 0x7f00000b;  // 127.0.0.11
constexpr uint16_t kPort = 53;

// A socket at the address, which is the namespace's own once its loopback is up. A container that shares the namespace has such sockets
// too, and they go on when one of the two ends.
int bound_socket(int type, unique_fd& out) {
  constexpr int kOn = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(kAddress);
  address.sin_port = htons(kPort);
  out.reset(socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!out) return -errno;
  if (setsockopt(out.get(), SOL_SOCKET, SO_REUSEPORT, &kOn, sizeof kOn) < 0) return -errno;
  if (setsockopt(out.get(), IPPROTO_IP, IP_FREEBIND, &kOn, sizeof kOn) < 0) return -errno;
  return bind(out.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ? -errno : 0;
}

}  // namespace

int open_name_sockets(unique_fd (&out)[2]) {
  int result = bound_socket(SOCK_DGRAM, out[0]);
  if (result == 0) result = bound_socket(SOCK_STREAM, out[1]);
  if (result < 0) return result;
  return listen(out[1].get(), SOMAXCONN) < 0 ? -errno : 0;
}

}  // namespace nacelle
