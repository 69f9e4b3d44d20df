#pragma once

#include <string_view>

namespace nacelle {

// A signal as callers write it: a number up to 64, or a name with or without SIG, in any case, RTMIN+N too. 0 sends none, and finds out
// whether there is anybody (kill(2)). -1 for what is none of these.
int signal_number(std::string_view text);

}  // namespace nacelle
