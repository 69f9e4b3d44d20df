#include "acceptor.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "../kernel/socket_options.h"

namespace nacelle::relay {
namespace {

constexpr int kMostInTurn = 32;
// Before another descriptor is looked for, where there were none.
constexpr uint64_t kPause = 100 * kMillisecond;

}  // namespace

Acceptor::Acceptor(Loop& loop, Streams& streams, uint64_t owner, Accepted accepted)
    : loop_(loop), streams_(streams), owner_(owner), accepted_(std::move(accepted)) {}

int Acceptor::start(unique_fd listening) {
  if (!is_listening(listening.get())) return -EINVAL;
  if (fcntl(listening.get(), F_SETFL, O_NONBLOCK) < 0) return -errno;
  listening_ = std::move(listening);
  return watch_.start(loop_, listening_.get(), EPOLLIN, [this](uint32_t) { accept_some(); });
}

void Acceptor::accept_some() {
  for (int i = 0; i < kMostInTurn; ++i) {
    if (!streams_.make_room(owner_)) return wait();
    unique_fd client(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (client) {
      accepted_(std::move(client));
      continue;
    }
    // whoever may administer the network namespace can destroy the socket, which is ready for ever then (SOCK_DESTROY, since Linux 4.5)
    if (errno == EINVAL) return watch_.stop();
    const bool is_full = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (!is_full) return;
    wait();
    return pause_.start(loop_, monotonic_ns() + kPause, [this] { go_on(); });
  }
}

// Whoever connects meanwhile waits in the kernel.
void Acceptor::wait() { waits_ = watch_.change(0) == 0; }

void Acceptor::go_on() {
  if (!waits_ || watch_.change(EPOLLIN) < 0) return;
  waits_ = false;
}

}  // namespace nacelle::relay
