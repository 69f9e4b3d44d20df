#include "connector.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "../kernel/packet.h"
#include "requests.h"

namespace nacelle::relay {
namespace {

// 0 or -errno; the socket may still be about to be connected.
int begin_connecting(const Endpoint& to, unique_fd& out) {
  sockaddr_storage address;
  const socklen_t size = socket_address(to, address);
  out.reset(socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!out) return -errno;
  const bool begins = connect(out.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 || errno == EINPROGRESS;
  return begins ? 0 : -errno;
}

}  // namespace

int Connector::open() {
  const int result = loop_.open();
  return result < 0 ? result : requests_.start(loop_, control_, EPOLLIN, [this](uint32_t) { take_requests(); });
}

void Connector::take_requests() {
  if (relay::take_requests(control_,
                           [this](const Request& request, std::vector<unique_fd> fds) { return carry_out(request, std::move(fds)); }))
    return;
  requests_.stop();
  has_control_ = false;
  stop_if_alone();
}

int Connector::carry_out(Request request, std::vector<unique_fd> fds) {
  switch (request.kind) {
    case RequestKind::kPeer:
      if (fds.size() != 1) return -EINVAL;
      dials_.stop();
      reaches_.clear();
      peer_ = std::move(fds[0]);
      return dials_.start(loop_, peer_.get(), EPOLLIN, [this](uint32_t) { take_dials(); });
    case RequestKind::kAllow:
      allowed_[request.socket] = std::move(request.endpoints);
      return 0;
    case RequestKind::kStop:
      return allowed_.erase(request.socket) + lists_.erase(request.socket) == 0 ? -ENOENT : 0;
    case RequestKind::kList: {
      auto policy = egress::policy_of(request.rules);
      if (!policy) return -EINVAL;
      lists_[request.socket] = std::move(policy);
      return 0;
    }
    case RequestKind::kServe:
    case RequestKind::kGuide:
    case RequestKind::kChange:
    case RequestKind::kRefused:
      break;
  }
  return -EPROTO;
}

void Connector::take_dials() {
  for (;;) {
    char buffer[512];
    const ssize_t size = receive_packet(peer_.get(), buffer, sizeof buffer).size;
    if (size == -EAGAIN) return;
    if (size <= 0 || !take_message(buffer, static_cast<size_t>(size))) break;
  }
  dials_.stop();
  reaches_.clear();
  peer_.reset();
  stop_if_alone();
}

bool Connector::take_message(const char* data, size_t size) {
  uint64_t stream = 0;
  if (read_end(data, size, stream)) {
    DialAnswer told;
    told.stream = stream;
    told.result = -ECANCELED;
    if (reaches_.erase(stream) > 0) answer(told, -1);
    return true;
  }
  Dial dial;
  if (!read_dial(data, size, dial)) return false;
  take_dial(dial);
  return true;
}

void Connector::take_dial(const Dial& dial) {
  if (const auto list = lists_.find(dial.socket); list != lists_.end()) return reach(dial, list->second);
  DialAnswer told;
  told.stream = dial.stream;
  unique_fd socket;
  told.result = allows(dial) ? begin_connecting(dial.to, socket) : -EACCES;
  answer(told, socket.get());
}

void Connector::reach(const Dial& dial, std::shared_ptr<const egress::Policy> policy) {
  const auto done = [this, stream = dial.stream](const egress::Reached& reached) {
    DialAnswer told;
    told.stream = stream;
    told.result = reached.result;
    told.address_size = static_cast<uint32_t>(std::min(reached.address.size(), sizeof told.address));
    told.is_own = reached.is_own ? 1 : 0;
    std::memcpy(told.address, reached.address.data(), told.address_size);
    answer(told, reached.socket.get());
    reaches_.erase(stream);
  };
  auto reach = std::make_unique<egress::Reach>(loop_, resolv_conf_.servers(), std::move(policy),
                                               egress::Goal{dial.name, dial.to.address, dial.to.port}, done);
  egress::Reach& begun = *reach;
  reaches_[dial.stream] = std::move(reach);
  begun.begin();
}

void Connector::answer(const DialAnswer& answer, int socket) {
  const int sent = send_packet<1>(peer_.get(), &answer, sizeof answer, &socket, answer.result == 0 ? 1 : 0, MSG_DONTWAIT);
  // whoever asks so much without reading is not the relay that the shim has started
  if (sent < 0) loop_.stop();
}

bool Connector::allows(const Dial& dial) const {
  const auto found = allowed_.find(dial.socket);
  if (found == allowed_.end() || !dial.name.empty()) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [&](const Endpoint& one) { return one.port == dial.to.port && one.address == dial.to.address; });
}

void Connector::stop_if_alone() {
  if (!has_control_ && !peer_) loop_.stop();
}

}  // namespace nacelle::relay
