#include "reach.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "../names/address.h"
#include "own_address.h"

namespace nacelle::egress {
namespace {

// For a name and all of its addresses.
constexpr uint64_t kPatience = 10'000 * kMillisecond;

int pending_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
}

}  // namespace

Reach::Reach(Loop& loop, Lookup::Servers servers, std::shared_ptr<const Policy> policy, Goal goal, Done done)
    : loop_(loop), servers_(std::move(servers)), policy_(std::move(policy)), goal_(std::move(goal)), done_(std::move(done)) {}

Reach::~Reach() { *is_alive_ = false; }

void Reach::begin() {
  ends_at_ = monotonic_ns() + kPatience;
  const bool is_allowed =
      goal_.name.empty() ? policy_->allows_address(goal_.address, goal_.port) : policy_->allows_name(goal_.name, goal_.port);
  if (!is_allowed) return finish({unique_fd(), -EACCES, goal_.address});
  if (goal_.name.empty()) return choose({goal_.address});
  lookup_ = std::make_unique<Lookup>(loop_, servers_, goal_.name, [this](const std::vector<std::string>& found) { choose(found); });
  lookup_->begin();
}

void Reach::choose(const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    if (policy_->may_lead_to(address, goal_.port, is_own_address(address))) addresses_.push_back(address);
  }
  if (!addresses_.empty()) return try_next();
  if (addresses.empty()) return finish({unique_fd(), -ENOENT, {}});
  finish({unique_fd(), -EPERM, addresses.front()});
}

void Reach::try_next() {
  while (tried_ < addresses_.size()) {
    last_ = connect();
    if (last_ == 0) return;
    ++tried_;
  }
  finish({unique_fd(), last_, addresses_.back()});
}

int Reach::connect() {
  sockaddr_storage target;
  const socklen_t size = names::socket_address(addresses_[tried_], goal_.port, target);
  socket_.reset(socket(target.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_) return -errno;
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&target), size) < 0 && errno != EINPROGRESS) return -errno;
  const uint64_t now = monotonic_ns(), left = ends_at_ - std::min(now, ends_at_);
  patience_.start(loop_, now + left / (addresses_.size() - tried_), [this] { fail(-ETIMEDOUT); });
  return watch_.start(loop_, socket_.get(), EPOLLOUT, [this](uint32_t) { ready(); });
}

void Reach::ready() {
  const int error = pending_error(socket_.get());
  if (error < 0) return fail(error);
  watch_.stop();
  patience_.stop();
  finish({std::move(socket_), 0, addresses_[tried_], is_own_address(addresses_[tried_])});
}

void Reach::fail(int result) {
  watch_.stop();
  patience_.stop();
  socket_.reset();
  last_ = result;
  ++tried_;
  try_next();
}

// What calls this may be what `done_` deletes.
void Reach::finish(Reached reached) {
  const auto kept = std::make_shared<Reached>(std::move(reached));
  loop_.later([this, alive = is_alive_, kept] {
    if (!*alive) return;
    const Done done = done_;
    done(std::move(*kept));
  });
}

}  // namespace nacelle::egress
