#pragma once

namespace nacelle {

// What must hold whatever a fuzz target was given: libFuzzer keeps the input with which it does not.
inline void require(bool condition) {
  if (!condition) __builtin_trap();
}

}  // namespace nacelle
