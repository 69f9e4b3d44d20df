#pragma once

#include "front_file.h"

namespace nacelle {

// Goes on as Node, which does the same command in TypeScript: for all that the front does not know, or could not do. `told`: a descriptor
// with what a container's process has told of a program that could not be run, for the command at `command_at`; -1 for none. Returns the
// exit status, where that could not be done.
int become_planner(const FrontFile& file, int argc, char** argv, int command_at = 0, int told = -1);

}  // namespace nacelle
