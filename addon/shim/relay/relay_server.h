#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "../egress/guide.h"
#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../names/shares.h"
#include "acceptor.h"
#include "relay_request.h"
#include "streams.h"

namespace nacelle::relay {

// All listening sockets of the process that carries streams (modes/relay.h), and the socket by which they come.
class RelayServer {
 public:
  // `most` bounds the streams.
  RelayServer(int control, size_t most);
  // 0 or -errno.
  int open();
  // Until the other side of the control socket is gone, and then until the last stream has ended. 0 or -errno.
  int run() { return loop_.run(); }

 private:
  void take_requests();
  int carry_out(const Request& request, std::vector<unique_fd> fds);
  int serve(const Request& request, std::vector<unique_fd> fds);
  int guide(const Request& request, std::vector<unique_fd> fds);
  int change(const Request& request);
  void tell(uint64_t socket, const egress::Refusal& refusal);
  void drain();
  void stream_ended();

  const int control_;
  Loop loop_;
  Streams streams_;
  names::Shares questions_;  // connections over which containers ask about names
  std::unordered_map<uint64_t, std::vector<std::unique_ptr<Acceptor>>> acceptors_;
  std::unordered_map<uint64_t, std::shared_ptr<egress::Guide>> guides_;
  Watch requests_;
  uint32_t start_ = 0;  // of the addresses that stand for names: another one in each process
  bool is_draining_ = false;
};

}  // namespace nacelle::relay
