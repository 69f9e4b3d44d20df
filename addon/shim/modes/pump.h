#pragma once

#include <cstddef>
#include <cstdint>

// The shim's file in its pump mode: one small process beside a program, which copies between the caller's files and the
// program's pipes. So the program never holds a descriptor of a file of the host's, and when
// a file makes its reader or writer wait, only the pump waits, not Node or the shim.
//
//   file ──read──▶ pump ──write──▶ pipe ══▶ program        input, from where the descriptor stands
//   file ◀─write── pump ◀──read── pipe ◀══ program         output
//
// The pump has no capability and makes few system calls (pump.cc). Bytes are read and written, not spliced: pages of the host's
// cache never lie in a pipe of the program's.
namespace nacelle {

// The name under which the pump is executed: argv[0].
constexpr char kPumpName[] = "nacelle-pump";

constexpr size_t kMaxCopies = 3;

// The pump's descriptors: a socket to the shim, then `from` and `to` of each copy. The shim shuts its end of the socket for writing when
// the program has ended: the pump then writes what is left in the pipes, and ends.
constexpr int kPumpControl = 0, kPumpFirst = 1;

// What the pump tells the shim: a copy that failed, by errno.
struct PumpFailure {
  uint32_t copy = 0;
  int32_t error = 0;
  bool while_reading = false;
};
static_assert(sizeof(PumpFailure) == 12);  // as ChannelMessage, between two versions

// `count`: how many copies, as text.
[[noreturn]] void pump_main(const char* count);

}  // namespace nacelle
