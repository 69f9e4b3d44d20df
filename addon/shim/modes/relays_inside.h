#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>

#include "../kernel/loop.h"
#include "../wire/saved.h"
#include "served_relay.h"

namespace nacelle {

// What carries connections and datagrams from ports of this machine into network namespaces that this machine does not reach: those of a
// user's networks. For each of them there are processes of its own, which are there while a port leads into it, and a second longer.
class RelaysInside {
 public:
  explicit RelaysInside(Loop& loop) : loop_(loop) {}

  // The one whose connections are made in the network namespace of this descriptor. 0 or -errno.
  int find_or_make(int ns, ServedRelay*& out);
  // What the task of this number has in the slots from `first` to `last`.
  void stop(uint64_t id, int64_t first, int64_t last);

  // Whether the pid is one of the processes.
  bool has(pid_t pid) const;
  // One of the processes has ended, and was reaped.
  void ended(pid_t pid);

  // For the shim that takes over, which has processes of its own.
  void save(Saved& to) const;
  void find(const Found& found, int executable);

 private:
  void end_idle_later();

  Loop& loop_;
  std::map<ino_t, std::unique_ptr<ServedRelay>> relays_;  // by the namespaces' inodes, which stay theirs while the descriptors are open
  Timer idle_;
};

}  // namespace nacelle
