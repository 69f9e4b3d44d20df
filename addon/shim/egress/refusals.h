#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace nacelle::egress {

// What a container was refused. A question about a name has no address and no port.
struct Refusal {
  std::string host;     // '' when it was an address without a name
  std::string address;  // 4 or 16 bytes, or ''
  uint16_t port = 0;
  uint64_t lost = 0;  // before this one, of which nobody was told
};

// Tells what one container was refused, as often as that is bearable.
class Refusals {
 public:
  using Told = std::function<void(const Refusal&)>;
  explicit Refusals(Told told) : told_(std::move(told)) {}
  void tell(Refusal refusal);

 private:
  const Told told_;
  uint64_t left_ = kAtOnce, counted_at_ = 0, lost_ = 0;

  // As of refused system calls (modes/denials.h).
  static constexpr uint64_t kAtOnce = 256, kInSecond = 128;
};

}  // namespace nacelle::egress
