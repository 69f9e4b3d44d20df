#include "flow.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

namespace nacelle::relay {
namespace {

constexpr unsigned kFlags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
constexpr size_t kMost = 1024 * 1024;

bool is_for_later(int error) { return error == EAGAIN || error == EINTR; }

// splice(2) never goes past TCP's urgent mark: it says EAGAIN there for ever, or the end when the other side has ended, while more is to
// be read. recv(2) goes past the mark, mostly without the urgent byte. What it says is returned.
ssize_t take_past_mark(int from, int pipe, size_t most) {
  char bytes[4096];  // for which an empty pipe has room
  const ssize_t count = recv(from, bytes, std::min(sizeof bytes, most), MSG_DONTWAIT);
  if (count > 0 && write(pipe, bytes, static_cast<size_t>(count)) != count) return errno = EIO, -1;
  return count;
}

}  // namespace

int Flow::move(int from, int to) {
  int result = 0;
  if (wants_read() && may_take()) result = take(from);
  if (result == 0 && held_ > 0) result = put(to);
  if (held_ == 0) give_back();
  return result;
}

// The pipe is empty, so EAGAIN is about the socket.
int Flow::take(int from) {
  if (!pipe_) {
    if (const int result = pool_.take(pipe_); result < 0) return result;
  }
  ssize_t count = splice(from, nullptr, pipe_.in.get(), nullptr, std::min(kMost, left_), kFlags);
  if (count == 0 || (count < 0 && errno == EAGAIN)) count = take_past_mark(from, pipe_.in.get(), left_);
  if (count < 0) return is_for_later(errno) ? 0 : -errno;
  is_read_ = count == 0;
  held_ = static_cast<size_t>(count);
  if (left_ != kAll) left_ -= held_;
  return 0;
}

int Flow::put(int to) {
  const ssize_t count = splice(pipe_.out.get(), nullptr, to, nullptr, held_, kFlags);
  if (count < 0) return is_for_later(errno) ? 0 : -errno;
  held_ -= static_cast<size_t>(count);
  return 0;
}

void Flow::give_back() {
  if (pipe_) pool_.give_back(std::move(pipe_));
  pipe_ = {};
}

}  // namespace nacelle::relay
