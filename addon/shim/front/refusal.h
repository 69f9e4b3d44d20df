#pragma once

#include <string_view>

#include "front_call.h"

namespace nacelle {

// Tells why a command fails, on standard error and in the log, as TypeScript does (lib/runtime-cli/runtime-main.ts). False where that can't
// be done so, and then nothing was told.
bool tell_refusal(const FrontCall& call, std::string_view text);

}  // namespace nacelle
