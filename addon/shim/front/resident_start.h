#pragma once

#include <string>

#include "front_file.h"

namespace nacelle {

// Starts a resident planner for a folder of states: in a session of its own, with nothing of this process's but its rights and its groups,
// which it leaves itself. It is nobody's child here. Nothing is told of a failure, as the command goes on without it.
void start_resident(const FrontFile& file, const std::string& root);

}  // namespace nacelle
