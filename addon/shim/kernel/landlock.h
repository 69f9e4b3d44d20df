#pragma once

#include <cstdint>

#include "syscalls.h"

// Landlock (landlock(7)). The numbers and structures are the kernel's; headers of older systems lack some of them.
namespace nacelle {

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

// A kernel that knows less of it takes it all the same, as long as what it does not know is 0.
struct LandlockRuleset {
  uint64_t files = 0;
  uint64_t ports = 0;   // ABI 4
  uint64_t scopes = 0;  // ABI 6
};

struct __attribute__((packed)) LandlockPath {
  uint64_t allowed = 0;
  int32_t parent = -1;
};

struct LandlockPort {
  uint64_t allowed = 0;
  uint64_t port = 0;
};

constexpr unsigned kLandlockVersion = 1, kLandlockPathBeneath = 1, kLandlockNetPort = 2;
constexpr uint64_t kLandlockRefer = 1 << 13, kLandlockScopeSignal = 2;

inline int sys_landlock_abi() { return checked_int(syscall(SYS_landlock_create_ruleset, nullptr, 0, kLandlockVersion)); }
// The descriptor is close-on-exec.
inline int sys_landlock_create_ruleset(const LandlockRuleset& ruleset) {
  return checked_int(syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0));
}
inline int sys_landlock_add_rule(int ruleset, unsigned type, const void* rule) {
  return checked_int(syscall(SYS_landlock_add_rule, ruleset, type, rule, 0));
}
inline int sys_landlock_restrict_self(int ruleset) { return checked_int(syscall(SYS_landlock_restrict_self, ruleset, 0)); }

}  // namespace nacelle
