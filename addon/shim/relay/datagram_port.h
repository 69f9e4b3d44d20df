#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../names/shares.h"
#include "endpoint.h"

namespace nacelle::relay {

// The only sockets that the process of datagrams makes.
constexpr int kDatagramSocket = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

// The flows of all ports: fairly bounded.
struct DatagramFlows {
  explicit DatagramFlows(size_t most) : shares(most) {}
  names::Shares shares;
  uint64_t last = 0;
};

// A socket of UDP at which clients of this machine send, and where their datagrams go: a flow for each client, which has a socket of its
// own, so that answers find the way back. An idle flow ends after the times that the kernel's connection tracking has
// (nf_conntrack-sysctl.rst).
class DatagramPort {
 public:
  DatagramPort(Loop& loop, DatagramFlows& flows, uint64_t owner, Endpoint to);
  DatagramPort(const DatagramPort&) = delete;
  DatagramPort& operator=(const DatagramPort&) = delete;
  ~DatagramPort();
  // 0 or -errno: EINVAL when it is no socket of UDP. The socket tells to which address a datagram was sent (IP_PKTINFO, IPV6_RECVPKTINFO).
  int start(unique_fd socket);

 private:
  // Who sent a datagram, and to which of this machine's addresses: answers come from there.
  struct Client {
    sockaddr_storage from{};
    socklen_t size = 0;
    int level = 0, type = 0;
    union {
      in_pktinfo ipv4;
      in6_pktinfo ipv6;
    } to{};
    std::string key() const;
  };
  struct Flow {
    uint64_t number = 0;
    Client client;
    unique_fd fd;
    Watch watch;
    uint64_t active_at = 0;
    bool is_answered = false;
  };
  void take_datagrams();
  Flow* flow_of(const Client& client);
  void take_answers(Flow& flow);
  ssize_t answer(const Client& client, const char* data, size_t size) const;
  void end_idle();

  Loop& loop_;
  DatagramFlows& all_;
  const uint64_t owner_;
  const Endpoint to_;
  unique_fd socket_;
  Watch watch_;
  Timer sweep_;
  std::map<std::string, std::unique_ptr<Flow>> flows_;  // by client
};

}  // namespace nacelle::relay
