#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>

#include "../kernel/syscalls.h"
#include "netlink.h"
#include "steps.h"

namespace nacelle {

int run(Context& context, const args::netlink_socket& a) {
  unique_fd own;
  if (a.ns >= 0) {
    // a socket belongs to the namespace in which it is made: so the shim enters that, and comes back
    own.reset(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!own) return -errno;
    if (::setns(context.slots.get(a.ns), CLONE_NEWNET) < 0) return -errno;
  }
  unique_fd fd;
  const int result = netlink_socket(static_cast<int>(a.protocol), fd);
  // the shim must not go on in a container's network namespace
  if (own && ::setns(own.get(), CLONE_NEWNET) < 0) std::abort();
  return result < 0 ? result : context.slots.put(a.out, std::move(fd));
}

int run(Context& context, const args::netlink& a) {
  return netlink_request(context, context.slots.get(a.socket), a.message, a.patch, a.patch_offset);
}

int run(Context& context, const args::remove_links& a) {
  const int socket = context.slots.get(a.socket);
  return socket < 0 ? 0 : remove_links(context, socket, static_cast<uint32_t>(a.group));
}

int run(Context&, const args::link_up& a) {
  ifreq request{};
  if (a.name.size >= sizeof request.ifr_name) return -ENAMETOOLONG;
  std::memcpy(request.ifr_name, a.name.text, a.name.size + 1);
  const unique_fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return -errno;
  if (ioctl(fd.get(), SIOCGIFFLAGS, &request) < 0) return -errno;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return checked_int(ioctl(fd.get(), SIOCSIFFLAGS, &request));
}

}  // namespace nacelle
