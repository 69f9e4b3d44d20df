#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "../wire/message.h"
#include "listeners.h"

namespace nacelle {

class Found;
class Saved;
class Task;

// What happens to the tasks that others may attach to, for the clients that watch. The newest notices are remembered, so that whoever has
// found this shim a moment late misses none.
class Notices {
 public:
  // Tells `watcher` which tasks are there, what is remembered since then, in ns of the monotonic clock, and from now on everything.
  void watch(const Listener& watcher, uint64_t since_ns, const std::vector<Task*>& there);
  void forget(const Client& client);
  size_t watchers() const { return watchers_.size(); }
  // `key`: of the task. No watcher is waited for.
  void tell(NoticeKind kind, uint32_t key, const std::string& body);
  void save(Saved& to, const std::function<uint64_t(const Client&)>& number_of) const;
  void find(const Found& found, const std::vector<Client*>& clients);
  // A notice, and those that were lost before it, make way for the next one.
  static void count_lost(const Message& lost, Message& next);

 private:
  struct Remembered {
    uint64_t at_ns;
    std::string body;
  };
  std::vector<Listener> watchers_;
  std::deque<Remembered> remembered_;
  size_t remembered_bytes_ = 0;
};

}  // namespace nacelle
