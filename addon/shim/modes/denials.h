#pragma once

#include <cstdint>

// The shim's file in its denials mode: one process beside a program, which answers the system calls that the program's filter refuses by
// notification (seccomp_unotify(2)). Calls that are allowed, and those that the filter refuses by itself, never come here.
//
//   program ──refused call──▶ kernel ──notification──▶ denials ──Denial──▶ shim ──▶ Node, when it reads
//           ◀─errno, SIGSYS──────────────────────────
//
// The answer waits for nobody but this process: so nothing that a program does, or has mapped, holds up the shim. When this process dies
// the kernel refuses the calls with ENOSYS, and the shim ends the tree.
namespace nacelle {

// The name under which it is executed: argv[0].
constexpr char kDenialsName[] = "nacelle-denials";

// Its descriptors: a socket to the shim, the filter's listener, and a file with the rules:
//
//   bytes of the answers (u32), answers: struct sock_filter[], the filter whose actions are the answers; then any number of Look
constexpr int kDenialsControl = 0, kDenialsListener = 1, kDenialsRules = 2;

// What an argument of a call points to, which is read before the call is answered.
struct Look {
  uint32_t arch = 0;
  int32_t call = 0;
  uint8_t argument = 0;
  uint8_t size_argument = kIsText;  // which argument has the size in bytes
  uint8_t reserved[2] = {};
  static constexpr uint8_t kIsText = 0xff;  // it ends with a zero byte
};
static_assert(sizeof(Look) == 12);

constexpr uint32_t kMaxText = 4096, kMaxBytes = 128, kMaxLooks = 2;

// What the shim hears of each such call, and passes on as it is (lib/security/denials/denial-message.ts reads it). Behind it is what was
// read, for each Look that could be: argument (u32), size (u32), bytes.
struct Denial {
  uint32_t lost = 0;     // of those before this one that were not told, since there were too many
  uint8_t killed = 0;    // its process was killed for it
  uint8_t is_quiet = 0;  // for the shim alone: there are too many just now
  uint16_t error = 0;    // the errno that the call was answered with
  uint64_t time_ns = 0;  // since the epoch
  uint32_t arch = 0;     // AUDIT_ARCH_*
  int32_t call = 0;
  uint32_t pid = 0;
  uint32_t parent = 0;
  uint64_t args[6] = {};
};
static_assert(sizeof(Denial) == 80);  // as ChannelMessage, between two versions

constexpr uint32_t kMaxDenial = sizeof(Denial) + kMaxLooks * (8 + kMaxText);

[[noreturn]] void denials_main();

}  // namespace nacelle
