#include "shim_table.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "../wire/plan_parts.h"
#include "ops.h"

#ifndef NACELLE_VERSION
#define NACELLE_VERSION "0.0.0"
#endif

namespace nacelle {

const char kOwnVersion[] = NACELLE_VERSION;

const char kOwnTable[] =
#define STEP(name, side, call, what, ...) "step " #name " " #__VA_ARGS__ "\n"
#include "steps.def"
#undef STEP
#define PART(name, ...) "part " #name " " #__VA_ARGS__ "\n"
#include "../wire/plan.def"
#undef PART
    ;

namespace {

constexpr size_t kWordSize = 4;  // 'step' and 'part'

using Numbers = std::unordered_map<std::string, uint16_t>;

// Calls `line` for each, with its number among the steps or the parts.
template <typename Line>
void each_line(const std::string& table, Line line) {
  uint16_t steps = 0;
  uint16_t parts = 0;
  for (size_t at = 0, end = 0; (end = table.find('\n', at)) != std::string::npos; at = end + 1) {
    const std::string text = table.substr(at, end - at);
    const bool is_step = text.compare(0, kWordSize, "step") == 0;
    line(text, is_step, is_step ? steps++ : parts++);
  }
}

Numbers own_numbers() {
  Numbers numbers;
  each_line(kOwnTable, [&numbers](const std::string& text, bool, uint16_t number) { numbers[text] = number; });
  return numbers;
}

bool replace(char* data, const char* at, const std::vector<uint16_t>& numbers, uint16_t& number) {
  std::memcpy(&number, at, sizeof number);
  if (number >= numbers.size()) return false;
  number = numbers[number];
  std::memcpy(data, &number, sizeof number);
  return true;
}

// The steps in a step; false when it can't be read. Those that have none leave `out` as it is.
bool inner_steps(uint16_t number, Reader fields, Reader& out) {
  const auto found = [&](auto arguments) {
    const bool is_read = args::decode(fields, arguments);
    out = arguments.steps;
    return is_read;
  };
  switch (static_cast<Op>(number)) {
    case Op::keep_steps:
      return found(args::keep_steps{});
    case Op::run_steps:
      return found(args::run_steps{});
    default:
      return true;
  }
}

}  // namespace

void Translation::read(const std::string& table) {
  const Numbers own = own_numbers();
  steps_.clear();
  parts_.clear();
  each_line(table, [&](const std::string& text, bool is_step, uint16_t) {
    const auto known = own.find(text);
    (is_step ? steps_ : parts_).push_back(known == own.end() ? kUnknown : known->second);
  });
}

// `data` is where the steps' first byte is.
bool Translation::steps(char* data, const Reader& steps, bool outer) const {
  Reader reader = steps;
  const char* const begin = steps.position();
  for (;;) {
    const char* const at = reader.position();
    Item item;
    if (!next_item(reader, item)) return reader.ok();
    uint16_t number = 0;
    if (!replace(data + (at - begin), at, steps_, number)) return false;
    Reader inner;
    if (!inner_steps(number, item.fields, inner)) return false;
    if (!inner.done() && !(outer && this->steps(data + (inner.position() - begin), inner, false))) return false;
  }
}

bool Translation::plan(char* data, size_t size, bool outer) const {
  Reader reader(data, size);
  for (;;) {
    const char* const at = reader.position();
    Item item;
    if (!next_item(reader, item)) return reader.ok();
    uint16_t number = 0;
    if (!replace(data + (at - data), at, parts_, number) || !part(data, item, number, outer)) return false;
  }
}

// The steps and plans in a part.
bool Translation::part(char* data, const Item& item, uint16_t number, bool outer) const {
  Reader fields = item.fields;
  const auto place = [data](const char* at) { return data + (at - data); };
  const auto inner_steps = [&](const Reader& inner) { return steps(place(inner.position()), inner, true); };
  const auto inner_plan = [&](const Bytes& inner) { return outer && plan(place(inner.data), inner.size, false); };
  switch (static_cast<Part>(number)) {
#define NONE
#define SLOT(field)
#define OUT(field)
#define NUM(field)
#define STR(field)
#define BYTES(field)
#define LIST(field)
#define SLOTS(field)
#define FILES(field)
#define STEPS(field) &&inner_steps(a.field)
#define PLAN(field) &&inner_plan(a.field)
#define PART(name, ...)                          \
  case Part::name: {                             \
    [[maybe_unused]] parts::name a;              \
    return parts::decode(fields, a) __VA_ARGS__; \
  }
#include "../wire/plan.def"
#undef PART
#include "../wire/field_end.def"
  }
  return false;
}

bool Translation::call(char* data, size_t size) const {
  Reader reader(data, size);
  reader.u32();
  reader.list<int32_t>();
  reader.u32();
  const Reader inner = reader.sized_part();
  return reader.ok() && steps(data + (inner.position() - data), inner, true);
}

bool are_known(Reader steps) {
  Item item;
  while (next_item(steps, item)) {
    Reader inner;
    if (item.number == kUnknown || !inner_steps(item.number, item.fields, inner) || !are_known(inner)) return false;
  }
  return true;
}

bool is_known(const Plan& plan, bool with_stages) {
  const auto knows_stages = [](const Stages& stages) {
    return std::all_of(stages.items, stages.items + stages.count, [](const Stage& stage) { return are_known(stage.steps); });
  };
  Plan check;
  const bool knows_check =
      !plan.has_health || (parse_plan(plan.health.plan.data, plan.health.plan.size, check) && !check.has_health && is_known(check, true));
  return are_known(plan.undo) && are_known(plan.removal) && are_known(plan.again.prepare) && knows_stages(plan.again.stages) &&
         (!with_stages || knows_stages(plan.stages)) && knows_check;
}

}  // namespace nacelle
