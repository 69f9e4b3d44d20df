#pragma once

#include <cstdint>
#include <functional>

#include "../kernel/loop.h"
#include "../wire/plan.h"
#include "../wire/protocol.h"

namespace nacelle {

class Found;
class Saved;

// The time limits of a program. The shim keeps them, since a blocked event loop of Node would delay them.
class Clocks {
 public:
  using Due = std::function<void(Cause)>;

  struct Begin {
    uint64_t ns = 0;
    bool counts_on = false;  // the counter of CPU time has counted runs before
  };
  // The limits count from `begin`; `due` is called for each that is reached. The plan and the slots must live until stop().
  void start(Loop& loop, const Plan& plan, const Slots& slots, Begin begin, Due due);
  void stop();
  // For the shim that takes over: find() goes on with the limits that were not reached yet.
  void save(Saved& to) const;
  void find(const Found& found, Loop& loop, const Plan& plan, const Slots& slots, Due due);

 private:
  void watch(Loop& loop, const Plan& plan, const Slots& slots, Due due);
  void check_cpu();
  bool read_cpu(uint64_t& used_ns) const;

  Loop* loop_ = nullptr;
  const Plan* plan_ = nullptr;
  const Slots* slots_ = nullptr;
  Due due_;
  Timer wall_, cpu_;
  uint64_t cpu_before_ns_ = 0;
};

}  // namespace nacelle
