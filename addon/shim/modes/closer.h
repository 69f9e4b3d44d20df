#pragma once

// The shim's file as a closer: a process beside a shim, which closes descriptors whose last close takes time.
//
//   shim ──descriptors──▶ closer ──one byte for each that is closed──▶ shim
//
// Whoever closes the last descriptor of a mount namespace undoes its mounts, and waits for two grace periods of RCU and for the memory of
// each tmpfs. The shim must not wait for that, so it closes one by itself only where no closer can be started, or the kernel has no room to
// send it one. The process can do nothing but close: when it dies, the kernel closes what it has.
namespace nacelle {

// The name under which the closer is executed: argv[0].
constexpr char kCloserName[] = "nacelle-closer";

// The closer's descriptor: the socket by which descriptors come, one with each byte.
constexpr int kCloserControl = 0;

[[noreturn]] void closer_main();

}  // namespace nacelle
