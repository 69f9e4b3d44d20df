#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../wire/wire.h"
#include "member_answers.h"
#include "resolver.h"
#include "service.h"
#include "shares.h"

namespace nacelle::names {

// All services of one process, and the socket by which they come (modes/names.h).
class Server {
 public:
  // `most` bounds the queries that are with the host's servers, and the clients' connections.
  Server(int control, std::string resolv_conf, size_t most)
      : control_(control), resolver_(loop_, std::move(resolv_conf), most), shares_(most) {}
  // 0 or -errno.
  int open(int folder, unique_fd changes);
  // Until the other side of the control socket is gone. 0 or -errno.
  int run() { return loop_.run(); }

 private:
  void take_requests();
  int carry_out(Reader& request, uint64_t& id, unique_fd udp, unique_fd tcp);
  int start(uint64_t id, Scope scope, unique_fd udp, unique_fd tcp);

  int control_;
  Loop loop_;
  Resolver resolver_;
  Shares shares_;
  struct Served {
    std::shared_ptr<MemberAnswers> answers;
    std::shared_ptr<Service> service;
  };
  std::unordered_map<uint64_t, Served> services_;
  Watch requests_;
};

}  // namespace nacelle::names
