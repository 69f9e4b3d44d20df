#pragma once

#include <sys/types.h>

#include <deque>
#include <functional>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "closer.h"

namespace nacelle {

// The closer as the shim sees it. The first descriptor starts it, and it stays as long as the shim.
class Closer {
 public:
  explicit Closer(Loop& loop) : loop_(loop) {}
  Closer(const Closer&) = delete;
  Closer& operator=(const Closer&) = delete;

  // Has the descriptor closed there. Where that can't be, it is closed here.
  void close(int executable, unique_fd fd);
  // Calls `closed` when it is closed: later, or at once where it was closed here.
  void close(int executable, unique_fd fd, std::function<void()> closed);

  // 0 when there is none.
  pid_t pid() const { return pid_; }
  // The process is gone, and with it all that it had. One that has exited can't work, and would do so again.
  void ended(bool has_exited);

 private:
  int start(int executable);
  int send(int executable, int fd, CloseRequest request);
  void read();
  void forget();

  Loop& loop_;
  Watch watch_;
  unique_fd control_;
  pid_t pid_ = 0;
  bool is_useless_ = false;
  std::deque<std::function<void()>> waiting_;  // in the order of the requests
};

}  // namespace nacelle
