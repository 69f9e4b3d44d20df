#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../relay/endpoint.h"
#include "../wire/saved.h"
#include "relay_process.h"
#include "restart_pause.h"

namespace nacelle {

// The published ports of UDP of the shim's containers, whose datagrams one process carries (relay.h), which is there while there is a port.
// The sockets are the shim's too: when that process dies another one goes on with them. Flows begin anew then, and also when another shim
// takes over.
class ServedDatagrams {
 public:
  // Datagrams are sent on in the network namespace ns; -1: in the shim's.
  explicit ServedDatagrams(Loop& loop, int ns = -1) : loop_(loop), process_(loop, ns) {}

  // Carries what comes to the socket to an endpoint. `slot` is where the task of this number keeps the port. 0 or -errno: then it does not.
  int serve(int executable, uint64_t owner, int64_t slot, unique_fd socket, const relay::Endpoint& to);
  // The ports of the task in the slots from `first` to `last`.
  void stop(uint64_t owner, int64_t first, int64_t last);

  bool is_idle() const { return ports_.empty(); }
  bool has(pid_t pid) const { return pid > 0 && pid == process_.pid(); }
  // The process has ended, and was reaped.
  void ended();

  void save(Saved& to) const;
  void find(const Found& found, int executable);

 private:
  struct Served {
    uint64_t owner = 0;
    int64_t slot = 0;
    RelayProcess::Descriptors fds;
    relay::Endpoint to;
  };
  int start();
  void start_later();
  void tell(uint64_t number);

  Loop& loop_;
  int executable_ = -1;
  std::map<uint64_t, Served> ports_;  // by numbers that are given once
  uint64_t last_ = 0;
  RelayProcess process_;
  Timer again_, idle_;
  RestartPause pause_;
};

}  // namespace nacelle
