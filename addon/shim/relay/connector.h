#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../egress/policy.h"
#include "../egress/reach.h"
#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../names/resolv_conf.h"
#include "relay_request.h"

namespace nacelle::relay {

// Where each listening socket's connections may go, and the process that makes them, in the network namespace in which it is started
// (modes/relay.h). It reads nothing that a container sends, but asks the host's servers about names that its list allows.
class Connector {
 public:
  Connector(int control, std::string resolv_conf) : control_(control), resolv_conf_(std::move(resolv_conf)) {}
  // 0 or -errno.
  int open();
  // Until the other sides of both sockets are gone. 0 or -errno.
  int run() { return loop_.run(); }

 private:
  void take_requests();
  int carry_out(Request request, std::vector<unique_fd> fds);
  void take_dials();
  bool take_message(const char* data, size_t size);
  void take_dial(const Dial& dial);
  void reach(const Dial& dial, std::shared_ptr<const egress::Policy> policy);
  void answer(const DialAnswer& answer, int socket);
  bool allows(const Dial& dial) const;
  void stop_if_alone();

  const int control_;
  Loop loop_;
  Watch requests_, dials_;
  unique_fd peer_;
  names::ResolvConf resolv_conf_;
  std::unordered_map<uint64_t, std::vector<Endpoint>> allowed_;
  std::unordered_map<uint64_t, std::shared_ptr<const egress::Policy>> lists_;
  std::unordered_map<uint64_t, std::unique_ptr<egress::Reach>> reaches_;  // by stream
  bool has_control_ = true;
};

}  // namespace nacelle::relay
