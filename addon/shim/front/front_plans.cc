#include "front_plans.h"

#include <limits>
#include <utility>

#include "lines.h"

namespace nacelle {
namespace {

constexpr std::string_view kFormat = "nacelle-oci plans 1", kEnd = "end";
constexpr std::string_view kIndent = "  ";

// The fields of a step: a line for each, in their order.
class Fields {
 public:
  explicit Fields(Lines& lines) : lines_(lines) {}

  bool take(std::string_view name, std::string& value) {
    std::string_view written;
    return take_written(name, written) && read_value(written, value);
  }
  bool take(std::string_view name, uint64_t& value) {
    std::string_view written;
    return take_written(name, written) && read_number(written, value);
  }
  bool done() const { return lines_.peek().substr(0, kIndent.size()) != kIndent; }

 private:
  bool take_written(std::string_view name, std::string_view& written) {
    if (done() || !lines_.next(written)) return false;
    written.remove_prefix(kIndent.size());
    const bool has_value = written.find(' ') != std::string_view::npos;
    return take_word(written) == name && has_value;
  }

  Lines& lines_;
};

#define NONE
#define STR(field) &&fields.take(#field, step.field)
#define NUM(field) &&fields.take(#field, step.field)
#define FRONT_STEP(name, ...) \
  bool read_fields([[maybe_unused]] Fields& fields, [[maybe_unused]] front_step::name& step) { return true __VA_ARGS__ && fields.done(); }
#include "front_steps.def"
#undef FRONT_STEP
#undef NUM
#undef STR
#undef NONE

template <typename Step>
bool add_step(Fields fields, FrontPlan& plan) {
  Step step;
  if (!read_fields(fields, step)) return false;
  plan.steps.emplace_back(std::move(step));
  return true;
}

bool read_step(std::string_view name, Lines& lines, FrontPlan& plan) {
#define FRONT_STEP(known, ...) \
  if (name == #known) return add_step<front_step::known>(Fields(lines), plan);
#include "front_steps.def"
#undef FRONT_STEP
  return false;
}

bool read_plan(std::string_view rest, Lines& lines, FrontPlans& plans) {
  FrontPlan plan;
  if (!status_named(take_word(rest), plan.status) || rest.empty()) return false;
  plan.command = rest;
  // of two plans for one thing, none is known to be meant
  if (plans.find(plan.command, plan.status) != nullptr) return false;
  for (std::string_view line = lines.peek(); take_word(line) == "do"; line = lines.peek()) {
    std::string_view passed;
    if (!lines.next(passed) || !read_step(line, lines, plan)) return false;
  }
  if (plan.steps.empty()) return false;
  plans.plans.push_back(std::move(plan));
  return true;
}

bool read_record(std::string_view rest, RecordSeen& record) {
  return read_number(take_word(rest), record.inode) && read_number(take_word(rest), record.size) && read_number(rest, record.changed_ns);
}

bool read_process(std::string_view rest, ContainerSeen& container) {
  uint64_t pid = 0, start_time = 0;
  const std::string_view number = take_word(rest);
  if (!read_number(number, pid) || pid == 0 || pid > static_cast<uint64_t>(std::numeric_limits<pid_t>::max())) return false;
  if (!read_number(rest, start_time)) return false;
  container.pid = static_cast<pid_t>(pid);
  container.start_time = start_time;
  return true;
}

bool read_freezer(std::string_view rest, ContainerSeen& container) {
  uint64_t version = 0;
  if (!read_number(take_word(rest), version) || (version != 1 && version != 2)) return false;
  container.freezer_version = static_cast<int>(version);
  return read_value(rest, container.freezer) && !container.freezer.empty();
}

bool read_turn(std::string_view rest, FrontPlans& plans) {
  Turn turn;
  if (!read_value(take_word(rest), turn.lock) || turn.lock.empty() || rest.empty()) return false;
  turn.command = rest;
  plans.turns.push_back(std::move(turn));
  return true;
}

bool read_line(std::string_view line, Lines& lines, FrontPlans& plans) {
  const std::string_view key = take_word(line);
  if (key == "record") return read_record(line, plans.record);
  if (key == "process") return read_process(line, plans.container);
  if (key == "freezer") return read_freezer(line, plans.container);
  if (key == "created") return read_value(line, plans.container.created);
  if (key == "turn") return read_turn(line, plans);
  return key == "on" && read_plan(line, lines, plans);
}

}  // namespace

const FrontPlan* FrontPlans::find(std::string_view command, Status status) const {
  for (const FrontPlan& plan : plans) {
    if (plan.status == status && plan.command == command) return &plan;
  }
  return nullptr;
}

const std::string* FrontPlans::lock_of(std::string_view command) const {
  for (const Turn& turn : turns) {
    if (turn.command == command) return &turn.lock;
  }
  return nullptr;
}

bool read_front_plans(std::string_view text, FrontPlans& plans) {
  Lines lines(text);
  std::string_view line;
  if (!lines.next(line) || line != kFormat) return false;
  while (lines.next(line)) {
    if (line == kEnd)
      return lines.done() && plans.container.pid != 0 && !plans.container.freezer.empty() && !plans.container.created.empty();
    if (!read_line(line, lines, plans)) return false;
  }
  return false;
}

}  // namespace nacelle
