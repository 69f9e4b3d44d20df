#pragma once

#include <string_view>

namespace nacelle {

// Whether a message of sd_notify(3) tells that the service has started: one of its lines is READY=1.
bool tells_ready(std::string_view message);

}  // namespace nacelle
