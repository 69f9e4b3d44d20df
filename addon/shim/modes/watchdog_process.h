#pragma once

#include <sys/types.h>

#include "../kernel/unique_fd.h"
#include "watchdog.h"

namespace nacelle {

// The watchdog as the shim sees it.
class Watchdog {
 public:
  // Starts the process where there is none. 0 or -errno; -EPIPE: the process takes no more, and may have died with all that it knew.
  int watch(int executable, int pidfd);

  // 0 when there is none.
  pid_t pid() const { return pid_; }
  // The next watch() starts another process. This one, if it lives, goes on with what it knows.
  void forget();

 private:
  int start(int executable);

  pid_t pid_ = 0;
  unique_fd control_;
};

}  // namespace nacelle
