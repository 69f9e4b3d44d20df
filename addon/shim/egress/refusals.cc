#include "refusals.h"

#include <algorithm>

#include "../kernel/loop.h"

namespace nacelle::egress {

void Refusals::tell(Refusal refusal) {
  constexpr uint64_t kSecond = 1000 * kMillisecond;
  const uint64_t now = monotonic_ns();
  const uint64_t more = std::min(kAtOnce, (now - counted_at_) / (kSecond / kInSecond));
  if (more > 0) {
    left_ = std::min(kAtOnce, left_ + more);
    counted_at_ = now;
  }
  if (left_ == 0) {
    ++lost_;
    return;
  }
  --left_;
  refusal.lost = std::exchange(lost_, 0);
  told_(refusal);
}

}  // namespace nacelle::egress
