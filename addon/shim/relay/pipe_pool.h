#pragma once

#include <cstddef>
#include <vector>

#include "../kernel/unique_fd.h"

namespace nacelle::relay {

// A pipe through which bytes go from one socket to another without being copied (splice(2)).
struct Pipe {
  unique_fd out, in;  // bytes are taken from `out`
  explicit operator bool() const { return static_cast<bool>(out); }
};

// Pipes that are empty. A stream has one only while bytes are in it: so thousands of idle streams need no more than one.
class PipePool {
 public:
  // 0 or -errno.
  int take(Pipe& pipe);
  void give_back(Pipe pipe);
  // A pipe that was taken is closed, with bytes in it.
  void lose() { --taken_; }

 private:
  std::vector<Pipe> spare_;
  size_t taken_ = 0;
};

}  // namespace nacelle::relay
