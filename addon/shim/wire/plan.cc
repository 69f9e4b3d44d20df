#include "plan.h"

#include <cerrno>

#include "protocol.h"

namespace nacelle {
namespace {

bool add_stage(Stages& stages, uint64_t flags, int32_t group, const Reader& steps) {
  if (stages.count == kMaxStages) return false;
  stages.items[stages.count++] = {flags, group, steps};
  return true;
}

bool take(Plan& plan, const parts::slots& part) {
  if (part.count > kMaxSlots) return false;
  plan.slots = part.given;
  plan.slot_count = static_cast<uint32_t>(part.count);
  return true;
}

bool take(Plan& plan, const parts::prepare& part) { return plan.prepare = part.steps, true; }
bool take(Plan& plan, const parts::stage& part) { return add_stage(plan.stages, part.flags, part.group, part.steps); }
bool take(Plan& plan, const parts::undo& part) { return plan.undo = part.steps, true; }
bool take(Plan& plan, const parts::reports& part) { return plan.reports = part.files, true; }
bool take(Plan& plan, const parts::returns& part) { return plan.returns = part.slots, true; }

bool take(Plan& plan, const parts::later_mounts& part) {
  LaterMounts& later = plan.later_mounts;
  if (later.count == later.reports.size()) return false;
  later.reports[later.count++] = part.report;
  later.most = part.most;
  return true;
}

bool take(Plan& plan, const parts::kill_group& part) {
  plan.has_kill_group = true;
  plan.kill_group = {part.at, part.path};
  return true;
}

bool take(Plan& plan, const parts::timeout& part) { return plan.timeout_ns = part.wait, true; }
bool take(Plan& plan, const parts::set_up& part) { return plan.set_up_ns = part.wait, true; }

bool take(Plan& plan, const parts::cpu_clock& part) {
  plan.has_cpu_clock = true;
  plan.cpu_limit_ns = part.limit;
  plan.cpu_counter = {part.at, part.path};
  plan.cpu_key = part.key;
  plan.cpu_unit_ns = part.unit;
  return true;
}

bool take(Plan& plan, const parts::ending& part) {
  plan.signal = static_cast<int>(part.signal);
  plan.force_kill_after_ns = part.force_kill_after;
  return true;
}

bool take(Plan& plan, const parts::keep& part) {
  plan.is_kept = true;
  plan.auto_remove = part.auto_remove != 0;
  plan.evidence = {part.at, part.path};
  plan.removal = part.removal;
  return true;
}

bool take(Plan& plan, const parts::leaves_tree&) { return plan.leaves_tree = true; }
bool take(Plan& plan, const parts::with_clients&) { return plan.with_clients = true; }
bool take(Plan& plan, const parts::hands_over&) { return plan.hands_over = true; }
bool take(Plan& plan, const parts::tells_end_first&) { return plan.tells_end_first = true; }
bool take(Plan& plan, const parts::trace&) { return plan.is_traced = true; }

bool take(Plan& plan, const parts::again& part) {
  if (part.on > static_cast<uint64_t>(RestartOn::kAlways)) return false;
  Again& again = plan.again;
  plan.has_again = true;
  again.on = static_cast<RestartOn>(part.on);
  again.most = static_cast<uint32_t>(part.most);
  again.first_ns = part.first;
  again.longest_ns = part.longest;
  again.lasting_ns = part.lasting;
  again.stop_signal = static_cast<int>(part.stop_signal);
  again.prepare = part.prepare;
  return true;
}

bool take(Plan& plan, const parts::again_stage& part) { return add_stage(plan.again.stages, part.flags, part.group, part.steps); }

bool take(Plan& plan, const parts::health& part) {
  if (part.then > static_cast<uint64_t>(HealthThen::kRestart)) return false;
  HealthCheck& health = plan.health;
  plan.has_health = true;
  health.then = static_cast<HealthThen>(part.then);
  health.retries = static_cast<uint32_t>(part.retries);
  health.interval_ns = part.interval;
  health.start_period_ns = part.start_period;
  health.start_interval_ns = part.start_interval;
  health.frozen = {part.at, part.frozen};
  health.plan = part.check;
  return true;
}

bool take(Plan& plan, const parts::denials& part) {
  plan.has_denials = true;
  plan.denials = {part.listener, part.answers, part.looks, part.told != 0};
  return true;
}

bool take(Plan& plan, const parts::words& part) { return plan.words = part.bytes, true; }

template <typename Fields>
bool read_part(Plan& plan, Reader& reader) {
  Fields fields;
  return parts::decode(reader, fields) && take(plan, fields);
}

bool read_item_of(Plan& plan, Item& item) {
  switch (static_cast<Part>(item.number)) {
#define PART(name, ...) \
  case Part::name:      \
    return read_part<parts::name>(plan, item.fields);
#include "plan.def"
#undef PART
  }
  return false;
}

}  // namespace

std::vector<int32_t> numbers(const List<int32_t>& list) {
  std::vector<int32_t> all;
  for (const int32_t number : list) all.push_back(number);
  return all;
}

bool parse_plan(const char* body, size_t size, Plan& plan) {
  Reader reader(body, size);
  Item item;
  while (next_item(reader, item)) {
    if (!read_item_of(plan, item)) return false;
  }
  return reader.ok() && reader.done() && plan.has_again == (plan.again.stages.count > 0);
}

int fill_slots(Slots& slots, const std::vector<int32_t>& numbers, std::vector<unique_fd> ahead, std::vector<unique_fd>& fds) {
  for (unique_fd& fd : fds) ahead.push_back(std::move(fd));
  if (ahead.size() != numbers.size()) return -EPROTO;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const int result = slots.put(numbers[i], std::move(ahead[i]));
    if (result < 0) return result;
  }
  return 0;
}

}  // namespace nacelle
