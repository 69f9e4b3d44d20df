#pragma once

#include <sys/types.h>

#include "../kernel/unique_fd.h"
#include "watchdog.h"

namespace nacelle {

// The watchdog as the shim sees it.
class Watchdog {
 public:
  // Starts the process the first time, and after somebody has killed it. 0 or -errno; -EPIPE: it has died, with all that it knew.
  int watch(int executable, int pidfd);

  // 0 when there is none.
  pid_t pid() const { return pid_; }
  // The process has ended, and was reaped.
  void ended();

 private:
  int start(int executable);

  pid_t pid_ = 0;
  unique_fd control_;
};

}  // namespace nacelle
