#pragma once

// The shim's file as a watchdog: one process beside a shim, which ends programs that nothing else would end when the shim dies.
//
//   shim ──pidfds──▶ watchdog ──SIGKILL──▶ first processes, once the shim is gone
//
// A program may clear its parent-death signal (prctl(2)), and where it has no control group nobody finds it later by that. So the watchdog
// holds a pidfd of each such program's first process until that one ends. It knows the shim by a pidfd too, and not by the socket: a newer
// shim that takes over is the same process, and has a watchdog of its own.
namespace nacelle {

// The name under which the watchdog is executed: argv[0].
constexpr char kWatchdogName[] = "nacelle-watch";

// The watchdog's descriptors: the socket by which pidfds come, one a message, and the shim's own pidfd.
constexpr int kWatchdogControl = 0, kWatchdogShim = 1;

[[noreturn]] void watchdog_main();

}  // namespace nacelle
