#include "pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace nacelle::relay {
namespace {

constexpr size_t kMostSpare = 8;
// What goes in one turn: the more, the less a GiB costs. A user's pipes may have 64 MiB together (pipe-user-pages-soft, pipe(7)), and all
// relays are one user. So many stuck streams get smaller ones, and where the kernel refuses both, what it gives.
constexpr int kSize = 1024 * 1024, kSmallSize = 256 * 1024;
constexpr size_t kMostLarge = 16;

}  // namespace

int PipePool::take(Pipe& pipe) {
  if (!spare_.empty()) {
    pipe = std::move(spare_.back());
    spare_.pop_back();
    ++taken_;
    return 0;
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return -errno;
  pipe.out.reset(ends[0]);
  pipe.in.reset(ends[1]);
  const bool is_large = taken_ < kMostLarge && fcntl(ends[1], F_SETPIPE_SZ, kSize) >= 0;
  if (!is_large) static_cast<void>(fcntl(ends[1], F_SETPIPE_SZ, kSmallSize));
  ++taken_;
  return 0;
}

void PipePool::give_back(Pipe pipe) {
  --taken_;
  if (spare_.size() < kMostSpare) spare_.push_back(std::move(pipe));
}

}  // namespace nacelle::relay
