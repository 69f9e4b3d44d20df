#pragma once

#include <string>

#include "front_file.h"

namespace nacelle {

// Starts a resident planner for a folder of states: in a session of its own, without this process's descriptors, folder, mask, signals and
// variables, but with its rights, groups, limits, priorities and filter, until it ends. It is nobody's child here. Nothing is told of a
// failure, as the command goes on without it.
void start_resident(const FrontFile& file, const std::string& root);

}  // namespace nacelle
