#pragma once

#include <sys/types.h>

#include "unique_fd.h"

namespace nacelle {

// Our process 1 of a container with `init: true`: starts the program as its child, passes signals on to it, reaps
// whatever is left to it, and tells the shim the program's exact end over the channel. When it ends, the kernel
// ends the rest of its pid namespace.
class Init {
 public:
  // 1 in the program's process, 0 in init's, or -errno.
  int fork();

  // Init's work; never returns.
  [[noreturn]] void serve(int channel);

 private:
  void wait_for_exec();
  void reap(int channel);

  pid_t program_ = 0;
  unique_fd started_;  // a pipe: its end of file says that the program was executed, or died before
};

}  // namespace nacelle
