#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "../kernel/loop.h"
#include "../wire/message.h"
#include "../wire/secret.h"
#include "host_steps.h"
#include "listeners.h"

namespace nacelle {

// Host steps that Node asks for while a task lives. A call that finds a group busy is tried again, and others go on meanwhile. What a call
// has opened and returns is Node's alone: a copy that stayed here would keep a connection open which Node has closed.
class Calls {
 public:
  using Tell = std::function<void(const Listener&, Message)>;
  // Watches a process, and calls process_ended() when it has ended.
  using WatchProcess = std::function<void(pid_t)>;

  Calls(Loop& loop, Context& context, Tell tell, WatchProcess watch_process)
      : loop_(loop), context_(context), tell_(std::move(tell)), watch_process_(std::move(watch_process)) {}

  // `ahead`: descriptors that came before the message.
  void start(const Listener& caller, Message& message, std::vector<unique_fd> ahead);
  bool empty() const { return calls_.empty(); }
  // False when the process belongs to no call.
  bool process_ended(pid_t pid);

 private:
  struct Call {
    Listener caller;
    Secret body;
    uint32_t sequence = 0;
    HostSteps steps;
    std::vector<int32_t> returns;
    std::vector<int32_t> filled;
    std::string outputs;
    uint32_t output_count = 0;
    uint64_t began_ns = 0;  // or went on behind a process of its own
    Timer retry;
  };

  int read(Call& call, Message& message, std::vector<unique_fd> ahead);
  void run(Call& call, bool last_try);
  void refuse(const Call& call, const StepFailure& failure);
  void forget(const Call& call);

  Loop& loop_;
  Context& context_;
  Tell tell_;
  WatchProcess watch_process_;
  std::list<Call> calls_;
};

}  // namespace nacelle
