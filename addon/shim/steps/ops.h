#pragma once

#include <cstddef>
#include <cstdint>

#include "../wire/wire.h"

// steps.def, unrolled: the opcodes, a struct of arguments for each, and the code that reads them.
namespace nacelle {

enum class Op : uint8_t {
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

// A step as it travels: opcode u8, host u8, size of the arguments u32, arguments.
struct StepHead {
  Op op;
  bool host;
  Reader arguments;
};

namespace args {

#define NONE

#define SLOT(field) int32_t field = -1;
#define OUT(field) int32_t field = -1;
#define NUM(field) uint64_t field = 0;
#define STR(field) Str field;
#define BYTES(field) Bytes field;
#define LIST(field) List<Str> field;
#define SLOTS(field) List<int32_t> field;
#define STEP(name, side, call, what, ...) \
  struct name {                           \
    __VA_ARGS__                           \
  };
#include "steps.def"
#undef STEP
#undef SLOT
#undef OUT
#undef NUM
#undef STR
#undef BYTES
#undef LIST
#undef SLOTS

#define SLOT(field) a.field = reader.slot();
#define OUT(field) a.field = reader.slot();
#define NUM(field) a.field = reader.num();
#define STR(field) a.field = reader.str();
#define BYTES(field) a.field = reader.bytes();
#define LIST(field) a.field = reader.list<Str>();
#define SLOTS(field) a.field = reader.list<int32_t>();
#define STEP(name, side, call, what, ...)                        \
  inline bool decode(Reader& reader, [[maybe_unused]] name& a) { \
    __VA_ARGS__                                                  \
    return reader.ok() && reader.done();                         \
  }
#include "steps.def"
#undef STEP
#undef SLOT
#undef OUT
#undef NUM
#undef STR
#undef BYTES
#undef LIST
#undef SLOTS

#undef NONE

}  // namespace args
}  // namespace nacelle
