#pragma once

#include <array>

#include "../kernel/unique_fd.h"

namespace nacelle {

// Descriptors that are kept for the end of a task: killing what is in a group, seeing that it is empty and reading what it
// counted need some, also when a limit (RLIMIT_NOFILE) has been reached by what goes on.
class Reserve {
 public:
  // 0 or -errno.
  int fill();

  // For as long as this is there, a few descriptors can be opened.
  class Loan {
   public:
    explicit Loan(Reserve& reserve);
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan();

   private:
    Reserve& reserve_;
    bool is_taken_ = false;
  };

 private:
  // A folder, a folder in it, the stream that reads it, a file; and as many for what is nested in another loan.
  static constexpr size_t kNeeded = 4;
  static constexpr size_t kKept = 2 * kNeeded;
  std::array<unique_fd, kKept> kept_;
};

}  // namespace nacelle
