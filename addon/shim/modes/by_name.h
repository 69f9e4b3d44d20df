#pragma once

namespace nacelle {

// Runs what stays beside a program (init, pump, log, who answers refused calls, names), by the name that the shim's file is executed with.
// Returns for any other name.
void run_by_name(int argc, char** argv);

}  // namespace nacelle
