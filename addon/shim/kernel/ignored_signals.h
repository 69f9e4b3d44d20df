#pragma once

// The signals that the shim ignores. All others have their defaults, also those that whoever started it ignores: a program has its signals
// from the shim, and starts with the defaults of all.
namespace nacelle {

// For the shim. 0 or -errno.
int ignore_signals();

// For a clone of the shim, before it goes another way: all signals have their defaults, and none is blocked.
void stop_ignoring_signals();

}  // namespace nacelle
