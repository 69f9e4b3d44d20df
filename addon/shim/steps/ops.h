#pragma once

#include <cstddef>
#include <cstdint>

#include "../wire/wire.h"

// steps.def, unrolled: the opcodes, a struct of arguments for each, and the code that reads them.
namespace nacelle {

enum class Op : uint16_t {
#define STEP(name, side, call, what, ...) name,
#include "steps.def"
#undef STEP
};

// Who runs a step.
enum class Side : uint8_t { child, host, both, flow };

constexpr Side kSides[] = {
#define STEP(name, side, call, what, ...) Side::side,
#include "steps.def"
#undef STEP
};

// A number that is no opcode is nobody's step.
constexpr Side side_of(Op op) {
  const auto index = static_cast<size_t>(op);
  return index < sizeof kSides / sizeof kSides[0] ? kSides[index] : Side::flow;
}

constexpr bool runs_in_child(Op op) { return side_of(op) != Side::host; }
constexpr bool runs_in_shim(Op op) { return side_of(op) == Side::host || side_of(op) == Side::both; }

// A step as it was read (Item in wire/wire.h).
struct StepHead {
  Op op = Op{};
  bool host = false;
  Reader arguments;
};

namespace args {

#include "../wire/field_members.def"
#define STEP(name, side, call, what, ...) \
  struct name {                           \
    __VA_ARGS__                           \
  };
#include "steps.def"
#undef STEP
#include "../wire/field_end.def"

#include "../wire/field_readers.def"
#define STEP(name, side, call, what, ...)                        \
  inline bool decode(Reader& reader, [[maybe_unused]] name& a) { \
    __VA_ARGS__                                                  \
    return reader.ok() && reader.done();                         \
  }
#include "steps.def"
#undef STEP
#include "../wire/field_end.def"

}  // namespace args
}  // namespace nacelle
