#include "plan.h"

#include <cerrno>

#include "protocol.h"

namespace nacelle {
namespace {

constexpr uint32_t kMaxStages = 16;

Reader read_part(Reader& reader) {
  const uint32_t size = reader.u32();
  return reader.part(size);
}

FileAt read_file(Reader& reader) {
  FileAt file;
  file.at = reader.slot();
  file.path = reader.str();
  return file;
}

}  // namespace

std::vector<int32_t> read_slots(Reader& reader) {
  std::vector<int32_t> slots;
  for (const int32_t slot : reader.list<int32_t>()) slots.push_back(slot);
  return slots;
}

bool parse_plan(const char* body, size_t size, Plan& plan) {
  Reader reader(body, size);
  plan.slots = read_slots(reader);
  plan.slot_count = reader.u32();
  plan.prepare = read_part(reader);
  const uint32_t stages = reader.u32();
  if (!reader.ok() || stages > kMaxStages || plan.slot_count > kMaxSlots) return false;
  for (uint32_t i = 0; i < stages; ++i) {
    Stage stage;
    stage.flags = reader.num();
    stage.group = reader.slot();
    stage.steps = read_part(reader);
    plan.stages.push_back(stage);
  }
  plan.undo = read_part(reader);
  const uint32_t reports = reader.u32();
  for (uint32_t i = 0; i < reports && reader.ok(); ++i) plan.reports.push_back(read_file(reader));
  plan.returns = read_slots(reader);
  plan.has_kill_group = reader.u8() != 0;
  plan.kill_group = read_file(reader);
  plan.timeout_ns = reader.num();
  plan.has_cpu_clock = reader.u8() != 0;
  plan.cpu_limit_ns = reader.num();
  plan.cpu_counter = read_file(reader);
  plan.cpu_key = reader.str();
  plan.cpu_unit_ns = reader.num();
  plan.signal = static_cast<int>(reader.u32());
  plan.force_kill_after_ns = reader.num();
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
