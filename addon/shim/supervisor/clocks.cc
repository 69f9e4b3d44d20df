#include "clocks.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "../kernel/syscalls.h"

namespace nacelle {

void Clocks::start(Loop& loop, const Plan& plan, const Slots& slots, uint64_t started_ns, Due due) {
  loop_ = &loop;
  plan_ = &plan;
  slots_ = &slots;
  due_ = std::move(due);
  if (plan.timeout_ns > 0) wall_.start(loop, started_ns + plan.timeout_ns, [this] { due_(Cause::kWallTime); });
  if (plan.has_cpu_clock) {
    cpu_.start(loop, started_ns + plan.cpu_limit_ns / static_cast<uint64_t>(get_nprocs()), [this] { check_cpu(); });
  }
}

void Clocks::stop() {
  wall_.stop();
  cpu_.stop();
}

// Reads the counter when the limit could first have been reached with every processor busy. What is left gives the time of the next look.
void Clocks::check_cpu() {
  const unique_fd fd(openat(slots_->get(plan_->cpu_counter.at), plan_->cpu_counter.path.text, O_RDONLY | O_CLOEXEC));
  char text[1024] = "";
  const ssize_t size = fd ? read(fd.get(), text, sizeof text - 1) : -1;
  const char* number = text;
  if (size > 0 && !plan_->cpu_key.empty()) {
    number = std::strstr(text, plan_->cpu_key.text);
    if (number != nullptr) number += plan_->cpu_key.size;
  }
  // a counter that can't be read any more must not mean that there is no limit
  if (size <= 0 || number == nullptr) return due_(Cause::kCpuTime);
  const uint64_t used = std::strtoull(number, nullptr, 10) * plan_->cpu_unit_ns;
  if (used >= plan_->cpu_limit_ns) return due_(Cause::kCpuTime);
  const uint64_t soonest = (plan_->cpu_limit_ns - used) / static_cast<uint64_t>(get_nprocs());
  cpu_.start(*loop_, monotonic_ns() + std::max(soonest, kMillisecond), [this] { check_cpu(); });
}

}  // namespace nacelle
