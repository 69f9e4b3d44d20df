#pragma once

#include <array>

#include "../kernel/unique_fd.h"

namespace nacelle {

// Descriptors that are kept for the end of a task. The shim needs some to kill a group, to see that it is empty and to read its counters,
// also when other tasks have reached the limit (RLIMIT_NOFILE).
class Reserve {
 public:
  // 0 or -errno.
  int fill();

  // While a loan exists, a few descriptors can be opened. One inside another costs nothing: it has what that one has found or was given.
  class Loan {
   public:
    explicit Loan(Reserve& reserve);
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan();

   private:
    Reserve& reserve_;
    const bool is_inner_;
    bool is_taken_ = false;
  };

 private:
  // A loan needs a folder, a folder in it, the stream that reads it, and a file. As many are kept for a loan inside another.
  static constexpr size_t kNeeded = 4;
  static constexpr size_t kKept = 2 * kNeeded;
  std::array<unique_fd, kKept> kept_;
  bool is_lent_ = false;
};

}  // namespace nacelle
