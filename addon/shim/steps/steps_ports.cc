#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

#include "../kernel/socket_options.h"
#include "../wire/protocol.h"
#include "steps.h"

namespace nacelle {
namespace {

union SocketAddress {
  sockaddr any;
  sockaddr_in ipv4;
  sockaddr_in6 ipv6;
};

// The size of the address, or -EINVAL when the bytes are none.
template <typename Arguments>
int read_address(const Arguments& a, SocketAddress& address) {
  std::memset(&address, 0, sizeof address);
  const uint16_t port = htons(static_cast<uint16_t>(a.port));
  if (a.address.size == sizeof address.ipv4.sin_addr) {
    address.ipv4.sin_family = AF_INET;
    address.ipv4.sin_port = port;
    std::memcpy(&address.ipv4.sin_addr, a.address.data, a.address.size);
    return sizeof address.ipv4;
  }
  if (a.address.size != sizeof address.ipv6.sin6_addr) return -EINVAL;
  address.ipv6.sin6_family = AF_INET6;
  address.ipv6.sin6_port = port;
  std::memcpy(&address.ipv6.sin6_addr, a.address.data, a.address.size);
  return sizeof address.ipv6;
}

int set_option(int socket, int level, int option) {
  const int on = 1;
  return setsockopt(socket, level, option, &on, sizeof on) < 0 ? -errno : 0;
}

// Nothing that arrives gets to the socket: whoever connects before the rules lead elsewhere tries again, and is not refused.
int take_nothing(int socket) {
  sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  const sock_fprog program{1, nothing};
  return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0 ? -errno : 0;
}

// Lets through what programs of this machine send to its loopback, by the loopback. The numbers are of that link, which is the first of
// each network namespace, and of what ABS loads: bytes of the network header (linux/filter.h), of which an IPv4 header has the destination
// at 16, and one of IPv6 at 24.
int take_from_loopback(int socket, bool is_ipv6) {
  constexpr uint32_t kArrivedBy = static_cast<uint32_t>(SKF_AD_OFF) + SKF_AD_IFINDEX, kLink = 1;
  constexpr uint32_t kAt4 = static_cast<uint32_t>(SKF_NET_OFF) + 16, kAt6 = static_cast<uint32_t>(SKF_NET_OFF) + 24;
  constexpr uint32_t kNetwork = IN_LOOPBACKNET, kLastWord = 1;
  sock_filter ipv4[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kArrivedBy), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kLink, 0, 3),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kAt4),       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kNetwork, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),          BPF_STMT(BPF_RET | BPF_K, 0),
  };
  sock_filter ipv6[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kArrivedBy), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kLink, 0, 9),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kAt6),       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 7),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kAt6 + 4),   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kAt6 + 8),   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kAt6 + 12),  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kLastWord, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),          BPF_STMT(BPF_RET | BPF_K, 0),
  };
  const sock_fprog program = is_ipv6 ? sock_fprog{std::size(ipv6), ipv6} : sock_fprog{std::size(ipv4), ipv4};
  return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0 ? -errno : 0;
}

// A packet from another link doesn't get there, whatever address it is for.
int take_from_loopback_device(int socket) {
  constexpr char kLoopback[] = "lo";
  return setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, kLoopback, sizeof kLoopback) < 0 ? -errno : 0;
}

// Of datagrams: who answers has to know to which of the socket's addresses was sent.
int tell_addresses(int socket) {
  const bool is_ipv6 = socket_option(socket, SO_DOMAIN) == AF_INET6;
  return is_ipv6 ? set_option(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO) : set_option(socket, IPPROTO_IP, IP_PKTINFO);
}

// Binds a socket that `prepare` has seen.
template <typename Arguments, typename Prepare>
int hold(Context& context, const Arguments& a, const Prepare& prepare) {
  SocketAddress address{};
  const int size = read_address(a, address);
  if (size < 0) return size;
  const bool is_stream = a.type == SOCK_STREAM;
  unique_fd socket(::socket(address.any.sa_family, (is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return -errno;
  if (const int result = prepare(socket.get()); result < 0) return result;
  // each family has its own ports here, as it has its own rules
  if (address.any.sa_family == AF_INET6)
    if (const int result = set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY); result < 0) return result;
  // connections of a server before that are not forgotten yet (TIME_WAIT) keep nobody away; one that listens does
  if (is_stream)
    if (const int result = set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR); result < 0) return result;
  if (bind(socket.get(), &address.any, static_cast<socklen_t>(size)) < 0) return -errno;
  if (is_stream && listen(socket.get(), 0) < 0) return -errno;
  SocketAddress bound{};
  socklen_t length = sizeof bound;
  if (getsockname(socket.get(), &bound.any, &length) < 0) return -errno;
  const uint16_t port = bound.any.sa_family == AF_INET ? bound.ipv4.sin_port : bound.ipv6.sin6_port;
  context.output(reinterpret_cast<const char*>(&port), sizeof port);
  return context.slots.put(a.out, std::move(socket));
}

bool read_endpoint(const Str& to, uint64_t port, relay::Endpoint& out) {
  constexpr uint64_t kLastPort = 65535;
  return port != 0 && port <= kLastPort && relay::parse_endpoint(to.text, static_cast<uint16_t>(port), out);
}

// Has the processes of `relay` carry what comes to the socket of a slot.
int carry(Context& context, int32_t slot, const relay::Endpoint& to, ServedRelay& relay) {
  const int socket = context.slots.get(slot);
  RelayedSocket relayed;
  relayed.slot = slot;
  relayed.fd.reset(fcntl(socket, F_DUPFD_CLOEXEC, 0));
  if (!relayed.fd) return -errno;
  if (is_internet(socket, SOCK_DGRAM)) {
    if (const int result = tell_addresses(socket); result < 0) return result;
    return relay.datagrams().serve(context.executable, context.served_id, slot, std::move(relayed.fd), to);
  }
  if (listen(socket, SOMAXCONN) < 0) return -errno;
  relayed.to.push_back(to);
  std::vector<RelayedSocket> sockets;
  sockets.push_back(std::move(relayed));
  return relay.serve(context.executable, context.served_id, std::move(sockets));
}

}  // namespace

int run(Context& context, const args::hold_port& a) { return hold(context, a, take_nothing); }

int run(Context& context, const args::hold_open_port& a) {
  return hold(context, a, [&](int socket) {
    // of those that wait too
    const int result = a.type == SOCK_DGRAM ? tell_addresses(socket) : 0;
    return result < 0 || a.loopback == 0 ? result : take_from_loopback_device(socket);
  });
}

int run(Context& context, const args::relay_port& a) {
  relay::Endpoint to;
  if (!read_endpoint(a.to, a.port, to)) return -EINVAL;
  const int socket = context.slots.get(a.socket);
  if (const int result = take_from_loopback(socket, socket_option(socket, SO_DOMAIN) == AF_INET6); result < 0) return result;
  return carry(context, a.socket, to, *context.relay);
}

int run(Context& context, const args::relay_port_inside& a) {
  relay::Endpoint to;
  if (!context.networks.ns || !read_endpoint(a.to, a.port, to)) return -EINVAL;
  ServedRelay* relay = nullptr;
  const int result = context.relays_inside->find_or_make(context.networks.ns.get(), relay);
  return result < 0 ? result : carry(context, a.socket, to, *relay);
}

int run(Context& context, const args::stop_ports& a) {
  if (a.first > a.last || a.last >= kMaxSlots) return -EINVAL;
  context.relay->stop(context.served_id, static_cast<int64_t>(a.first), static_cast<int64_t>(a.last));
  context.relays_inside->stop(context.served_id, static_cast<int64_t>(a.first), static_cast<int64_t>(a.last));
  return 0;
}

}  // namespace nacelle
