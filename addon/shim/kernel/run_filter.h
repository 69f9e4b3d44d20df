#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace nacelle {

// What a filter returns for a call: the kernel's notification of a call does not say which rule it comes from. The filter was loaded
// before, so it is one that the kernel takes; of others the answer is to kill.
inline uint32_t run_filter(const sock_filter* program, size_t count, const seccomp_data& call) {
  uint32_t accumulator = 0;
  for (size_t at = 0; at < count; ++at) {
    const sock_filter& instruction = program[at];
    const uint32_t k = instruction.k;
    const auto branch = [&](bool holds) { at += holds ? instruction.jt : instruction.jf; };
    switch (instruction.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (k > sizeof call - sizeof accumulator) return SECCOMP_RET_KILL_PROCESS;
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + k, sizeof accumulator);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= k;
        break;
      case BPF_JMP | BPF_JA:
        at += k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        branch(accumulator == k);
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        branch(accumulator > k);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        branch(accumulator >= k);
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        branch((accumulator & k) != 0);
        break;
      case BPF_RET | BPF_K:
        return k;
      default:
        return SECCOMP_RET_KILL_PROCESS;
    }
  }
  return SECCOMP_RET_KILL_PROCESS;
}

}  // namespace nacelle
