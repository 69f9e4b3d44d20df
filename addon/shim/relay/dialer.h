#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "relay_request.h"

namespace nacelle::relay {

// The relay's side of the pair of sockets to the connector. A connector that dies is followed by another, which is asked again. Owners take
// turns, and leave room for each other: whoever dials what does not answer holds up itself alone.
class Dialer {
 public:
  using Connected = std::function<void(const DialAnswer& answer, unique_fd socket)>;
  Dialer(Loop& loop, Connected connected) : loop_(loop), connected_(std::move(connected)) {}

  // 0 or -errno.
  int start(unique_fd peer);
  void dial(uint64_t owner, Dial dial);
  // The stream is over: another dial may take its place.
  void forget(uint64_t stream);
  // This connector is the last one: what it can't answer fails.
  void expect_no_other();

 private:
  struct Waiting {
    uint64_t owner = 0;
    Dial dial;
  };
  // What an owner has waiting: streams whose dials were not sent, the oldest first, and how many were sent.
  struct Queue {
    std::set<uint64_t> unsent;
    size_t sent = 0;
  };
  using Queues = std::map<uint64_t, Queue>;
  void send_dials();
  Queues::iterator next_queue();
  void answered(uint64_t stream);
  void tidy(uint64_t owner);
  void read_answers();
  void lose();
  void fail(uint64_t stream);

  Loop& loop_;
  const Connected connected_;
  unique_fd peer_;
  Watch answers_;
  std::map<uint64_t, Waiting> waiting_;          // of streams that go on
  std::unordered_map<uint64_t, uint64_t> sent_;  // stream to owner, until it is answered
  Queues queues_;                                // by owner
  uint64_t turn_ = 0;                            // the owner whose dial was sent last
  bool is_last_ = false;
};

}  // namespace nacelle::relay
