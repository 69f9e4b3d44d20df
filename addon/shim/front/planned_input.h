#pragma once

#include "resident.h"

namespace nacelle {

// What a command reads that a planner which does those of others may not wait for.
enum class PlannedInput : uint8_t {
  kReady,   // nothing, or what is there
  kUnfit,   // a named pipe, a device, or what another process sees otherwise: for a planner of its own. Nothing was read
  kFailed,  // standard input could not be read; this is told
};

// Has what `update` is to read lie ready: standard input is read here, by whoever asks, and is a file from then on.
PlannedInput prepare_input(const PlannedCall& call, int argc, const char* const* argv);

}  // namespace nacelle
