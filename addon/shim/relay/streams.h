#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "../egress/guide.h"
#include "../egress/opening_check.h"
#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "dialer.h"
#include "pipe_pool.h"
#include "stream.h"

namespace nacelle::relay {

// All streams, bounded in a fair way: where there is no room for one more, the container with the most loses the one that is longest idle,
// and a container that has the most itself waits until one of its streams ends. So whoever holds many harms only itself.
class Streams {
 public:
  // `ended` is called after the end of each.
  Streams(Loop& loop, size_t most, std::function<void()> ended);

  Dialer& dialer() { return dialer_; }
  size_t count() const { return count_; }
  // False when the owner is to wait.
  bool make_room(uint64_t owner);
  void add(uint64_t owner, uint64_t socket, unique_fd client, std::vector<Endpoint> to);
  // One that goes to a name, or an address, if what the client sends first admits that.
  void add(uint64_t owner, uint64_t socket, unique_fd client, egress::Goal goal, std::shared_ptr<egress::Guide> guide);
  // Resets the streams of one listening socket.
  void end_all(uint64_t socket);
  // Those that go where their list, which has changed, does not let them.
  void end_refused(uint64_t socket);

 private:
  struct Item {
    uint64_t owner = 0, socket = 0;
    std::unique_ptr<Stream> stream;
    egress::Goal goal;
    egress::Place place;  // where it has got to, once it is connected
    std::shared_ptr<egress::Guide> guide;
  };
  void add(Item item, unique_fd client, std::vector<Endpoint> to, std::shared_ptr<egress::OpeningCheck> opening,
           std::function<void()> refused);
  void connected(const DialAnswer& answer, unique_fd socket);
  void remove(uint64_t number);
  Stream& longest_idle(uint64_t owner);

  Loop& loop_;
  const size_t most_;
  const std::function<void()> ended_;
  size_t count_ = 0;
  PipePool pool_;
  Dialer dialer_;
  uint64_t last_ = 0;
  std::unordered_map<uint64_t, Item> streams_;
  std::map<uint64_t, size_t> counts_;  // by owner
};

}  // namespace nacelle::relay
