#pragma once

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

// The filters of our own confined processes: each allows the calls that its process makes, and any other call kills it.
namespace nacelle {

#if defined(__x86_64__)
constexpr uint32_t kFilterArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kFilterArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "our own filters know x86-64 and arm64"
#endif

class SyscallFilter {
 public:
  SyscallFilter() {
    add(load(offsetof(seccomp_data, arch)));
    add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kFilterArchitecture, 1, 0));
    add(verdict(SECCOMP_RET_KILL_PROCESS));
    add(load(offsetof(seccomp_data, nr)));
  }

  void allow(uint32_t call) {
    add(skip_unless(BPF_JEQ, call, 1));
    add(verdict(SECCOMP_RET_ALLOW));
  }
  // Allows the call only when the argument is one of the values.
  void allow_with(uint32_t call, size_t index, std::initializer_list<uint32_t> values) { when(call, index, is_one_of(values, 1)); }
  // And another argument has this value.
  void allow_with(uint32_t call, size_t index, std::initializer_list<uint32_t> values, size_t other, uint32_t value) {
    std::vector<sock_filter> tests = is_one_of(values, 3);
    tests.push_back(load(argument(other)));
    tests.push_back(skip_unless(BPF_JEQ, value, 1));
    when(call, index, tests);
  }
  // Allows the call only when the argument has none of the bits.
  void allow_without(uint32_t call, size_t index, uint32_t bits) { when(call, index, {BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0)}); }

  int install() {
    add(verdict(SECCOMP_RET_KILL_PROCESS));
    const sock_fprog program{static_cast<unsigned short>(instructions_.size()), instructions_.data()};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
  }

 private:
  static constexpr sock_filter load(size_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); }
  static constexpr sock_filter verdict(uint32_t value) { return BPF_STMT(BPF_RET | BPF_K, value); }
  static constexpr sock_filter skip_unless(uint16_t test, uint32_t value, uint8_t count) {
    return BPF_JUMP(BPF_JMP | test | BPF_K, value, 0, count);
  }
  // The offset of an argument's low half, which is enough: the arguments that are tested are ints.
  static constexpr size_t argument(size_t index) { return offsetof(seccomp_data, args) + index * sizeof(uint64_t); }

  // Goes on behind the last test when the argument that was loaded is one of the values, and else skips so many instructions there.
  static std::vector<sock_filter> is_one_of(std::initializer_list<uint32_t> values, uint8_t skipped) {
    std::vector<sock_filter> tests;
    for (const uint32_t value : values) {
      const size_t left = values.size() - tests.size() - 1;
      tests.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, static_cast<uint8_t>(left), left == 0 ? skipped : uint8_t{0}));
    }
    return tests;
  }

  void add(sock_filter instruction) { instructions_.push_back(instruction); }
  // The last of `tests` goes on to the next instruction where the call is allowed, and skips that where it is not.
  void when(uint32_t call, size_t index, const std::vector<sock_filter>& tests) {
    add(skip_unless(BPF_JEQ, call, static_cast<uint8_t>(tests.size() + 3)));
    add(load(argument(index)));
    for (const sock_filter& test : tests) add(test);
    add(verdict(SECCOMP_RET_ALLOW));
    add(verdict(SECCOMP_RET_KILL_PROCESS));
  }

  std::vector<sock_filter> instructions_;
};

}  // namespace nacelle
