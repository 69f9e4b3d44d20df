#pragma once

// execve keeps ignored signals ignored (signal(7)). The shim ignores these seven, and has set to their defaults all others that it was
// started with as ignored, so that a clone has only the seven to set back before execve.
namespace nacelle {

// For the shim. 0 or -errno.
int ignore_signals();

// For a clone of the shim, before it goes another way: all signals have their defaults, and none is blocked.
void restore_default_signals();

}  // namespace nacelle
