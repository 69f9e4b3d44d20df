#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../relay/relay_request.h"

namespace nacelle {

// The relay or its connector (relay.h) as the shim sees it. Requests are sent and answered later, in their order.
class RelayProcess {
 public:
  using Told = std::function<void(const relay::RequestAnswer&)>;
  using Refused = std::function<void(uint64_t socket, const egress::Refusal&)>;
  using Descriptors = std::vector<std::shared_ptr<const unique_fd>>;
  // It runs in the network namespace ns; -1: in the shim's.
  explicit RelayProcess(Loop& loop, int ns = -1) : loop_(loop), ns_(ns) {}

  // 0 or -errno. `told` hears each answer, first whether it stands ready (kind 0), `refused` what containers were refused.
  int start(int executable, const char* name, Told told, Refused refused);
  // The descriptors go with it, and are kept until then.
  void ask(const relay::Request& request, Descriptors fds);
  // What was not asked yet about this socket is not asked any more.
  void drop(uint64_t socket);
  // It has ended, or is to end by itself.
  void forget();

  // 0 when there is none.
  pid_t pid() const { return pid_; }

 private:
  struct Unsent {
    relay::Request request;
    Descriptors fds;
  };
  void send_requests();
  void end() const;
  int send(const Unsent& item) const;
  void read_answers(const Told& told, const Refused& refused);

  Loop& loop_;
  const int ns_;
  pid_t pid_ = 0;
  unique_fd control_;
  Watch answers_;
  std::deque<Unsent> unsent_;
  size_t unanswered_ = 0;
};

}  // namespace nacelle
