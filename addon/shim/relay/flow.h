#pragma once

#include <cstddef>
#include <cstdint>

#include "pipe_pool.h"

namespace nacelle::relay {

// One direction of a stream: bytes that go from one socket to another.
class Flow {
 public:
  static constexpr size_t kAll = SIZE_MAX;
  explicit Flow(PipePool& pool) : pool_(pool) {}
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;
  ~Flow() {
    if (pipe_) pool_.lose();
  }

  // Moves as much as goes now, up to one pipe. 0, also at the end of what there is to read; or -errno.
  int move(int from, int to);

  // How many bytes may be taken from now on; without a word as many as come.
  void allow(size_t bytes) { left_ = bytes; }
  bool may_take() const { return left_ > 0; }
  // What is waited for: more to read, or room for what was read.
  bool wants_read() const { return !is_read_ && held_ == 0; }
  bool wants_write() const { return held_ > 0; }
  // All that was sent has gone on.
  bool has_ended() const { return is_read_ && held_ == 0; }

 private:
  int take(int from);
  int put(int to);
  void give_back();

  PipePool& pool_;
  Pipe pipe_;             // while bytes are in it
  size_t held_ = 0;       // in the pipe
  size_t left_ = kAll;    // that may be taken
  bool is_read_ = false;  // to its end
};

}  // namespace nacelle::relay
