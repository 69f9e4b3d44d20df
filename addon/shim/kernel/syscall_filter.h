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
#include <type_traits>

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
  void allow_with(uint32_t call, size_t index, std::initializer_list<uint32_t> values) {
    begin(call, index, values.size());
    go_on_with(values, 1);
    end();
  }
  // And another argument has this value.
  void allow_with(uint32_t call, size_t index, std::initializer_list<uint32_t> values, size_t other, uint32_t value) {
    begin(call, index, values.size() + 2);
    go_on_with(values, 3);
    add(load(argument(other)));
    add(skip_unless(BPF_JEQ, value, 1));
    end();
  }
  // Allows the call only when the argument has none of the bits.
  void allow_without(uint32_t call, size_t index, uint32_t bits) {
    begin(call, index, 1);
    add(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0));
    end();
  }

  int install() {
    add(verdict(SECCOMP_RET_KILL_PROCESS));
    if (count_ > kMost) return -E2BIG;
    const sock_fprog program{static_cast<unsigned short>(count_), instructions_};
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

  // Begins a call that is allowed by so many instructions with tests of its arguments, the first of which is loaded. The last test goes on
  // to the next instruction where the call is allowed, and skips that where it is not.
  void begin(uint32_t call, size_t index, size_t tests) {
    add(skip_unless(BPF_JEQ, call, static_cast<uint8_t>(tests + 3)));
    add(load(argument(index)));
  }
  void end() {
    add(verdict(SECCOMP_RET_ALLOW));
    add(verdict(SECCOMP_RET_KILL_PROCESS));
  }
  // Goes on behind the last value when the argument that was loaded is one of them, and else skips so many instructions there.
  void go_on_with(std::initializer_list<uint32_t> values, uint8_t skipped) {
    size_t left = values.size();
    for (const uint32_t value : values) {
      --left;
      add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, static_cast<uint8_t>(left), left == 0 ? skipped : uint8_t{0}));
    }
  }
  void add(sock_filter instruction) {
    if (count_ < kMost) instructions_[count_] = instruction;
    ++count_;
  }

  static constexpr size_t kMost = 512;
  sock_filter instructions_[kMost] = {};
  size_t count_ = 0;
};

// After the installation nothing is left to be given back: free(3) may call munmap(2), which many filters kill for. Whether it does depends
// on the C library and on what is beside the memory, so on some machines it would never be seen.
static_assert(std::is_trivially_destructible_v<SyscallFilter>);

}  // namespace nacelle
