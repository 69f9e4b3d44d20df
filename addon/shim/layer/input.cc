#include "input.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tar_header.h"

namespace nacelle::layer {
namespace {

constexpr size_t kBufferSize = 256 * 1024;

}  // namespace

Input::Input(int fd, uint64_t cap) : fd_(fd), cap_(cap), buffer_(new char[kBufferSize]) {
  // This is only a hint, and fails for what is no pipe. A larger pipe means fewer switches between its two ends.
  static_cast<void>(fcntl(fd, F_SETPIPE_SZ, static_cast<int>(kBufferSize)));
}

ssize_t Input::fill() {
  if (start_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + start_, end_ - start_);
    end_ -= start_;
    start_ = 0;
  }
  ssize_t count;
  do {
    count = read(fd_, buffer_.get() + end_, kBufferSize - end_);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return -errno;
  if (static_cast<uint64_t>(count) > cap_ - total_) return -kBeyondLimit;
  total_ += static_cast<uint64_t>(count);
  end_ += static_cast<size_t>(count);
  return count;
}

ssize_t Input::block(const char*& at) {
  while (end_ - start_ < kBlockSize) {
    const ssize_t count = fill();
    if (count < 0) return count;
    if (count == 0) return end_ == start_ ? 0 : -EBADMSG;
  }
  at = buffer_.get() + start_;
  start_ += kBlockSize;
  return kBlockSize;
}

ssize_t Input::some(const char*& at, uint64_t most) {
  if (start_ == end_) {
    const ssize_t count = fill();
    if (count <= 0) return count;
  }
  const size_t count = static_cast<size_t>(std::min<uint64_t>(most, end_ - start_));
  at = buffer_.get() + start_;
  start_ += count;
  return static_cast<ssize_t>(count);
}

}  // namespace nacelle::layer
