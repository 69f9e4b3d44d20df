#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "datagram_port.h"
#include "relay_request.h"

namespace nacelle::relay {

// All published ports of UDP of the process that carries datagrams (modes/relay.h), and the socket by which they come. It makes sockets
// that are connected to containers, so it is another process than the one that reads what containers say of names and TLS: this one looks
// into nothing that they send.
class DatagramServer {
 public:
  // `most` bounds the flows.
  DatagramServer(int control, size_t most) : control_(control), flows_(most) {}
  // 0 or -errno.
  int open();
  // Until the other side of the control socket is gone. 0 or -errno.
  int run() { return loop_.run(); }

 private:
  int carry_out(const Request& request, std::vector<unique_fd> fds);

  const int control_;
  Loop loop_;
  DatagramFlows flows_;
  std::unordered_map<uint64_t, std::unique_ptr<DatagramPort>> ports_;
  Watch requests_;
};

}  // namespace nacelle::relay
