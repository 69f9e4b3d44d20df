#include "relay_server.h"

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "../egress/guide.h"
#include "../egress/policy.h"
#include "requests.h"
#include "stream.h"

namespace nacelle::relay {

RelayServer::RelayServer(int control, size_t most)
    : control_(control), streams_(loop_, most, [this] { stream_ended(); }), questions_(most) {}

int RelayServer::open() {
  // before the filter
  if (getrandom(&start_, sizeof start_, 0) != sizeof start_) return -errno;
  const int result = loop_.open();
  return result < 0 ? result : requests_.start(loop_, control_, EPOLLIN, [this](uint32_t) { take_requests(); });
}

void RelayServer::take_requests() {
  const auto carry = [this](const Request& request, std::vector<unique_fd> fds) { return carry_out(request, std::move(fds)); };
  if (!relay::take_requests(control_, carry)) drain();
}

int RelayServer::carry_out(const Request& request, std::vector<unique_fd> fds) {
  const bool is_there = acceptors_.count(request.socket) > 0;
  switch (request.kind) {
    case RequestKind::kPeer:
      return fds.size() == 1 ? streams_.dialer().start(std::move(fds[0])) : -EINVAL;
    case RequestKind::kServe:
      return is_there ? -EEXIST : serve(request, std::move(fds));
    case RequestKind::kGuide:
      return is_there ? -EEXIST : guide(request, std::move(fds));
    case RequestKind::kStop:
      if (!is_there) return -ENOENT;
      acceptors_.erase(request.socket);
      guides_.erase(request.socket);
      streams_.end_all(request.socket);
      return 0;
    case RequestKind::kChange:
      return change(request);
    case RequestKind::kAllow:
    case RequestKind::kList:
    case RequestKind::kRefused:
      break;
  }
  return -EPROTO;
}

int RelayServer::serve(const Request& request, std::vector<unique_fd> fds) {
  if (fds.size() != 1) return -EINVAL;
  const auto accepted = [this, owner = request.owner, socket = request.socket, to = request.endpoints](unique_fd client) {
    streams_.add(owner, socket, std::move(client), to);
  };
  auto acceptor = std::make_unique<Acceptor>(loop_, streams_, request.owner, accepted);
  if (const int result = acceptor->start(std::move(fds[0])); result < 0) return result;
  acceptors_[request.socket].push_back(std::move(acceptor));
  return 0;
}

int RelayServer::guide(const Request& request, std::vector<unique_fd> fds) {
  constexpr size_t kNameSockets = 2;
  const auto policy = egress::policy_of(request.rules);
  if (fds.size() <= kNameSockets + (request.has_peers ? 1 : 0) || !policy) return -EINVAL;
  const auto told = [this, socket = request.socket](const egress::Refusal& refusal) { tell(socket, refusal); };
  const auto guide = std::make_shared<egress::Guide>(loop_, questions_, request.owner, policy, request.has_ipv6, start_, told);
  unique_fd tcp = std::move(fds.back());
  fds.pop_back();
  unique_fd udp = std::move(fds.back());
  fds.pop_back();
  unique_fd peers;
  if (request.has_peers) {
    peers = std::move(fds.back());
    fds.pop_back();
  }
  if (const int result = guide->start(std::move(udp), std::move(tcp), std::move(peers)); result < 0) return result;
  const auto accepted = [this, owner = request.owner, socket = request.socket, guide](unique_fd client) {
    egress::Goal goal;
    if (guide->find_goal(client.get(), goal)) return streams_.add(owner, socket, std::move(client), std::move(goal), guide);
    break_off(client.get());
  };
  std::vector<std::unique_ptr<Acceptor>> acceptors;
  for (unique_fd& fd : fds) {
    acceptors.push_back(std::make_unique<Acceptor>(loop_, streams_, request.owner, accepted));
    if (const int result = acceptors.back()->start(std::move(fd)); result < 0) return result;
  }
  acceptors_.emplace(request.socket, std::move(acceptors));
  guides_.emplace(request.socket, guide);
  return 0;
}

int RelayServer::change(const Request& request) {
  const auto found = guides_.find(request.socket);
  if (found == guides_.end()) return -ENOENT;
  auto policy = egress::policy_of(request.rules);
  if (!policy) return -EINVAL;
  found->second->change(std::move(policy));
  streams_.end_refused(request.socket);
  return 0;
}

// A shim that does not read hears less.
void RelayServer::tell(uint64_t socket, const egress::Refusal& refusal) {
  const std::string bytes = bytes_of(socket, refusal);
  static_cast<void>(send(control_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

// A newer shim has taken over, and has a relay of its own with the same listening sockets. A shim that died takes this process along.
void RelayServer::drain() {
  requests_.stop();
  acceptors_.clear();
  guides_.clear();
  is_draining_ = true;
  streams_.dialer().expect_no_other();
  stream_ended();
}

void RelayServer::stream_ended() {
  for (const auto& entry : acceptors_) {
    for (const auto& acceptor : entry.second) acceptor->go_on();
  }
  if (is_draining_ && streams_.count() == 0) loop_.stop();
}

}  // namespace nacelle::relay
