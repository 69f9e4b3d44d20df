#pragma once

#include <cstdint>
#include <functional>

#include "../wire/plan.h"
#include "../wire/protocol.h"
#include "loop.h"

namespace nacelle {

// The time limits of a program. The shim keeps them, since a blocked event loop of Node would delay them.
class Clocks {
 public:
  using Due = std::function<void(Cause)>;

  // The limits count from `started_ns`; `due` is called for each that is reached. The plan and the slots must live until stop().
  void start(Loop& loop, const Plan& plan, const Slots& slots, uint64_t started_ns, Due due);
  void stop();

 private:
  void check_cpu();

  Loop* loop_ = nullptr;
  const Plan* plan_ = nullptr;
  const Slots* slots_ = nullptr;
  Due due_;
  Timer wall_, cpu_;
};

}  // namespace nacelle
