#pragma once

#include <algorithm>
#include <cstdint>

#include "../kernel/loop.h"

namespace nacelle {

// How long a process stays that serves nobody: programs run one container after the other.
constexpr uint64_t kLinger = 1000 * kMillisecond;

// How long the shim waits before another process takes the place of one that has ended: one that dies at once must not keep the shim busy,
// and the longer none can stand up, the rarer it is tried.
class RestartPause {
 public:
  // In ns.
  uint64_t next() {
    const uint64_t now = pause_;
    pause_ = std::min(2 * now, kLongest);
    return now;
  }
  // One stood ready.
  void begin_anew() { pause_ = kFirst; }

 private:
  static constexpr uint64_t kFirst = 100 * kMillisecond, kLongest = 10'000 * kMillisecond;
  uint64_t pause_ = kFirst;
};

}  // namespace nacelle
