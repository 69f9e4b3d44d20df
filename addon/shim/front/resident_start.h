#pragma once

#include <string>

#include "front_file.h"

namespace nacelle {

// Starts a resident planner for a folder of states: in a session of its own, without this process's descriptors, folder, mask, signals and
// variables, and out of its groups, but with its rights, limits and filter, until it ends. It is nobody's child here. Where it can't leave
// the groups, or would be the child of somebody who waits for it, there is none. Nothing is told of a failure, as the command goes on
// without it.
void start_resident(const FrontFile& file, const std::string& root);

}  // namespace nacelle
