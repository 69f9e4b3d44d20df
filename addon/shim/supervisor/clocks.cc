#include "clocks.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "../kernel/syscalls.h"
#include "../wire/saved.h"

namespace nacelle {

void Clocks::start(Loop& loop, const Plan& plan, const Slots& slots, Begin begin, Due due) {
  watch(loop, plan, slots, std::move(due));
  if (plan.timeout_ns > 0) wall_.start(loop, begin.ns + plan.timeout_ns, [this] { due_(Cause::kWallTime); });
  if (plan.has_cpu_clock) {
    cpu_before_ns_ = 0;
    // a counter that can't be read ends the program at the first look
    if (begin.counts_on && !read_cpu(cpu_before_ns_)) cpu_before_ns_ = 0;
    cpu_.start(loop, begin.ns + plan.cpu_limit_ns / static_cast<uint64_t>(get_nprocs()), [this] { check_cpu(); });
  }
}

void Clocks::watch(Loop& loop, const Plan& plan, const Slots& slots, Due due) {
  loop_ = &loop;
  plan_ = &plan;
  slots_ = &slots;
  due_ = std::move(due);
}

void Clocks::save(Saved& to) const { to.number("wall", wall_.at()).number("cpu", cpu_.at()).number("cpu before", cpu_before_ns_); }

void Clocks::find(const Found& found, Loop& loop, const Plan& plan, const Slots& slots, Due due) {
  watch(loop, plan, slots, std::move(due));
  cpu_before_ns_ = found.number("cpu before");
  if (found.number("wall") != 0) wall_.start(loop, found.number("wall"), [this] { due_(Cause::kWallTime); });
  if (found.number("cpu") != 0) cpu_.start(loop, found.number("cpu"), [this] { check_cpu(); });
}

void Clocks::stop() {
  wall_.stop();
  cpu_.stop();
}

bool Clocks::read_cpu(uint64_t& used_ns) const {
  const unique_fd fd(openat(slots_->get(plan_->cpu_counter.at), plan_->cpu_counter.path.text, O_RDONLY | O_CLOEXEC));
  char text[1024] = "";
  const ssize_t size = fd ? read(fd.get(), text, sizeof text - 1) : -1;
  const char* number = text;
  if (size > 0 && !plan_->cpu_key.empty()) {
    number = std::strstr(text, plan_->cpu_key.text);
    if (number != nullptr) number += plan_->cpu_key.size;
  }
  if (size <= 0 || number == nullptr) return false;
  used_ns = std::strtoull(number, nullptr, 10) * plan_->cpu_unit_ns;
  return true;
}

// Reads the counter when the limit could first have been reached with every processor busy. What is left gives the time of the next look.
void Clocks::check_cpu() {
  uint64_t used = 0;
  // a counter that can't be read any more must not mean that there is no limit
  if (!read_cpu(used)) return due_(Cause::kCpuTime);
  used -= std::min(used, cpu_before_ns_);
  if (used >= plan_->cpu_limit_ns) return due_(Cause::kCpuTime);
  const uint64_t soonest = (plan_->cpu_limit_ns - used) / static_cast<uint64_t>(get_nprocs());
  cpu_.start(*loop_, monotonic_ns() + std::max(soonest, kMillisecond), [this] { check_cpu(); });
}

}  // namespace nacelle
