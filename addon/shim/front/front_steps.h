#pragma once

#include <cstdint>
#include <string>
#include <variant>

// front_steps.def, unrolled: a struct for each step, and one type that is any of them.
namespace nacelle {

namespace front_step {

#define NONE
#define STR(field) std::string field;
#define NUM(field) uint64_t field = 0;
#define FRONT_STEP(name, ...) \
  struct name {               \
    __VA_ARGS__               \
  };
#include "front_steps.def"
#undef FRONT_STEP
#undef NUM
#undef STR

struct nothing {};

}  // namespace front_step

using FrontStep = std::variant<front_step::nothing
#define FRONT_STEP(name, ...) , front_step::name
#include "front_steps.def"
#undef FRONT_STEP
                               >;
#undef NONE

}  // namespace nacelle
