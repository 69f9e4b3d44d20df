#pragma once

#include <cstdint>

// The shim's file as a closer: one process beside a shim, which closes descriptors whose last close takes time.
//
//   shim ──descriptors──▶ closer ──one byte for each that was asked about──▶ shim
//
// Whoever closes the last descriptor of a mount namespace undoes its mounts, and waits for two grace periods of RCU and for the memory of
// each tmpfs. The shim must not wait for that, nor whoever waits for the program's end. The process can do nothing but close: when it dies,
// the kernel closes what it has.
namespace nacelle {

// The name under which the closer is executed: argv[0].
constexpr char kCloserName[] = "nacelle-closer";

// The closer's descriptor: the socket by which descriptors come, one a message.
constexpr int kCloserControl = 0;

enum class CloseRequest : uint8_t { kQuietly, kAndTell };

[[noreturn]] void closer_main();

}  // namespace nacelle
