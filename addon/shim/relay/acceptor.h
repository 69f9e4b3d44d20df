#pragma once

#include <cstdint>
#include <functional>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "streams.h"

namespace nacelle::relay {

// One listening socket, and what is done with the connections that it accepts.
class Acceptor {
 public:
  using Accepted = std::function<void(unique_fd client)>;
  Acceptor(Loop& loop, Streams& streams, uint64_t owner, Accepted accepted);
  // 0 or -errno: EINVAL when it is no listening TCP socket.
  int start(unique_fd listening);
  // One that waits for room looks for it again.
  void go_on();

 private:
  void accept_some();
  void wait();

  Loop& loop_;
  Streams& streams_;
  const uint64_t owner_;
  const Accepted accepted_;
  unique_fd listening_;
  Watch watch_;
  Timer pause_;
  bool waits_ = false;
};

}  // namespace nacelle::relay
