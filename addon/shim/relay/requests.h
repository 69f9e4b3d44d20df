#pragma once

#include <functional>
#include <vector>

#include "../kernel/unique_fd.h"
#include "relay_request.h"

namespace nacelle::relay {

// Reads the requests that have come, and answers each with what `carry_out` returns. False when no more are to come.
bool take_requests(int control, const std::function<int(const Request&, std::vector<unique_fd>)>& carry_out);

}  // namespace nacelle::relay
