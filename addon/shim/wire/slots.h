#pragma once

#include <fcntl.h>

#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

#include "../kernel/unique_fd.h"

namespace nacelle {

// The descriptors of a plan, by the slot numbers that its steps use.
class Slots {
 public:
  void resize(size_t count) { fds_.resize(count); }
  // After this, a resize up to `count` allocates nothing, so that a cloned child may do it.
  void reserve(size_t count) { fds_.reserve(count); }
  size_t size() const { return fds_.size(); }
  bool has(int32_t slot) const { return slot >= 0 && static_cast<size_t>(slot) < fds_.size(); }

  // The descriptor in a slot; AT_FDCWD for -1, and -1 (so EBADF) for an empty or unknown one.
  int get(int32_t slot) const {
    if (slot < 0) return AT_FDCWD;
    return has(slot) ? fds_[static_cast<size_t>(slot)].get() : -1;
  }
  int put(int32_t slot, unique_fd fd) {
    if (slot < 0) return 0;
    if (!has(slot)) return -EBADF;
    fds_[static_cast<size_t>(slot)] = std::move(fd);
    if (filled_ != nullptr) filled_->push_back(slot);
    return 0;
  }
  void close(int32_t slot) {
    if (has(slot)) fds_[static_cast<size_t>(slot)].reset();
  }
  // Notes in `filled` each slot that is filled from now on; nullptr stops that.
  void note(std::vector<int32_t>* filled) { filled_ = filled; }

 private:
  std::vector<unique_fd> fds_;
  std::vector<int32_t>* filled_ = nullptr;
};

}  // namespace nacelle
