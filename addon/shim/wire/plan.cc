#include "plan.h"

#include <cerrno>

#include "protocol.h"

namespace nacelle {
namespace {

Reader read_part(Reader& reader) {
  const uint32_t size = reader.u32();
  return reader.part(size);
}

bool read_stages(Reader& reader, Stages& stages) {
  const uint32_t count = reader.u32();
  if (!reader.ok() || count > kMaxStages) return false;
  stages.count = count;
  for (uint32_t i = 0; i < count; ++i) {
    Stage& stage = stages.items[i];
    stage.flags = reader.num();
    stage.group = reader.slot();
    stage.steps = read_part(reader);
  }
  return true;
}

bool read_again(Reader& reader, Again& again) {
  again.on = static_cast<RestartOn>(reader.u8());
  again.most = reader.u32();
  again.first_ns = reader.num();
  again.longest_ns = reader.num();
  again.lasting_ns = reader.num();
  again.stop_signal = static_cast<int>(reader.u32());
  again.prepare = read_part(reader);
  return read_stages(reader, again.stages) && again.stages.count > 0 && again.on <= RestartOn::kAlways;
}

bool read_health(Reader& reader, HealthCheck& health) {
  health.then = static_cast<HealthThen>(reader.u8());
  health.retries = reader.u32();
  health.interval_ns = reader.num();
  health.start_period_ns = reader.num();
  health.start_interval_ns = reader.num();
  health.frozen = read_item<FileAt>(reader);
  health.plan = reader.bytes();
  return reader.ok() && health.then <= HealthThen::kRestart;
}

}  // namespace

std::vector<int32_t> numbers(const List<int32_t>& list) {
  std::vector<int32_t> all;
  for (const int32_t number : list) all.push_back(number);
  return all;
}

bool parse_plan(const char* body, size_t size, Plan& plan) {
  Reader reader(body, size);
  plan.slots = reader.list<int32_t>();
  plan.slot_count = reader.u32();
  plan.prepare = read_part(reader);
  if (!read_stages(reader, plan.stages) || plan.slot_count > kMaxSlots) return false;
  plan.undo = read_part(reader);
  plan.reports = reader.list<FileAt>();
  plan.returns = reader.list<int32_t>();
  plan.has_kill_group = reader.u8() != 0;
  plan.kill_group = read_item<FileAt>(reader);
  plan.timeout_ns = reader.num();
  plan.has_cpu_clock = reader.u8() != 0;
  plan.cpu_limit_ns = reader.num();
  plan.cpu_counter = read_item<FileAt>(reader);
  plan.cpu_key = reader.str();
  plan.cpu_unit_ns = reader.num();
  plan.signal = static_cast<int>(reader.u32());
  plan.force_kill_after_ns = reader.num();
  plan.is_kept = reader.u8() != 0;
  plan.auto_remove = reader.u8() != 0;
  plan.evidence = read_item<FileAt>(reader);
  plan.removal = read_part(reader);
  plan.leaves_tree = reader.u8() != 0;
  plan.has_again = reader.u8() != 0;
  if (plan.has_again && !read_again(reader, plan.again)) return false;
  plan.has_health = reader.u8() != 0;
  if (plan.has_health && !read_health(reader, plan.health)) return false;
  plan.words = reader.bytes();
  return reader.ok() && reader.done();
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
