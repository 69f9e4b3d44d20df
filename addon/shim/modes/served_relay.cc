#include "served_relay.h"

#include <sys/socket.h>

#include <cerrno>
#include <iterator>
#include <utility>

#include "relay.h"

namespace nacelle {
namespace {

using relay::RequestKind;

relay::Request request_of(RequestKind kind, uint64_t socket) {
  relay::Request request;
  request.kind = kind;
  request.socket = socket;
  return request;
}

}  // namespace

int ServedRelay::serve(int executable, uint64_t id, std::vector<RelayedSocket> sockets) {
  const uint64_t before = last_;
  for (RelayedSocket& socket : sockets) add(served_by(id, std::move(socket)));
  return serve_since(executable, before);
}

int ServedRelay::guide(int executable, uint64_t id, GuidedSockets sockets) {
  const uint64_t before = last_;
  add(served_by(id, std::move(sockets)));
  return serve_since(executable, before);
}

int ServedRelay::serve_since(int executable, uint64_t before) {
  executable_ = executable;
  // one that begins now is told of all
  const bool is_there = connector_.pid() != 0;
  const int result = start();
  for (uint64_t number = before + 1; number <= last_; ++number) {
    if (result < 0) drop(sockets_.find(number));
    if (result == 0 && is_there) tell_connector(number);
  }
  return result;
}

ServedRelay::Served ServedRelay::served_by(uint64_t owner, RelayedSocket socket) {
  Served served;
  served.owner = owner;
  served.slot = socket.slot;
  served.fds.push_back(std::make_shared<const unique_fd>(std::move(socket.fd)));
  served.to = std::move(socket.to);
  return served;
}

ServedRelay::Served ServedRelay::served_by(uint64_t owner, GuidedSockets sockets) {
  Served served;
  served.owner = owner;
  served.has_list = true;
  served.has_ipv6 = sockets.has_ipv6;
  served.has_peers = static_cast<bool>(sockets.peers);
  served.rules = std::move(sockets.rules);
  for (unique_fd& fd : sockets.listening) served.fds.push_back(std::make_shared<const unique_fd>(std::move(fd)));
  for (unique_fd* fd : {&sockets.peers, &sockets.udp, &sockets.tcp}) {
    if (*fd) served.fds.push_back(std::make_shared<const unique_fd>(std::move(*fd)));
  }
  return served;
}

// The connector hears of it first: what the relay takes for allowed is asked of it again.
int ServedRelay::change(uint64_t id, const std::vector<std::string>& rules) {
  bool is_there = false;
  for (auto& [number, served] : sockets_) {
    if (served.owner != id || !served.has_list) continue;
    served.rules = rules;
    is_there = true;
    tell_connector(number);
    if (!served.is_allowed) continue;  // the relay is told of all once the connector knows
    relay::Request request = request_of(RequestKind::kChange, number);
    request.rules = served.rules;
    ++served.unanswered_by_relay;
    relay_.ask(request, {});
  }
  return is_there ? 0 : -ENOENT;
}

int ServedRelay::goes_by_list(uint64_t id) const {
  bool is_there = false;
  for (const auto& entry : sockets_) {
    const Served& served = entry.second;
    if (served.owner != id || !served.has_list) continue;
    is_there = true;
    if (!served.is_allowed || served.unanswered_by_relay + served.unanswered_by_connector > 0) return -EBUSY;
  }
  // one that has died is followed by another, which is told of all
  if (is_there && (relay_.pid() == 0 || connector_.pid() == 0)) return -EBUSY;
  return is_there ? 0 : -ENOENT;
}

void ServedRelay::stop(uint64_t id, int64_t first, int64_t last) {
  datagrams_.stop(id, first, last);
  for (auto item = sockets_.begin(); item != sockets_.end();) {
    const Served& served = item->second;
    const bool is_meant = served.owner == id && served.slot >= first && served.slot <= last;
    item = is_meant ? drop(item) : std::next(item);
  }
}

void ServedRelay::end_guided(uint64_t id) {
  for (auto item = sockets_.begin(); item != sockets_.end();) {
    const bool is_meant = item->second.owner == id && item->second.has_list;
    if (is_meant && relay_.pid() != 0) closing_.emplace(item->first, id);
    item = is_meant ? drop(item) : std::next(item);
  }
}

int ServedRelay::has_ended_guided(uint64_t id) const {
  for (const auto& entry : closing_) {
    if (entry.second == id) return -EBUSY;
  }
  return 0;
}

// Neither process is left with a socket that is served no more, nor without any socket for longer than it lingers.
ServedRelay::Sockets::iterator ServedRelay::drop(Sockets::iterator item) {
  for (RelayProcess* process : {&relay_, &connector_}) {
    process->drop(item->first);
    process->ask(request_of(RequestKind::kStop, item->first), {});
  }
  const auto next = sockets_.erase(item);
  if (sockets_.empty()) end_idle_later();
  return next;
}

void ServedRelay::end_idle_later() {
  idle_.start(loop_, monotonic_ns() + kLinger, [this] {
    if (!sockets_.empty()) return;
    if (!closing_.empty()) return end_idle_later();
    // their sockets are closed, so they end
    relay_.forget();
    connector_.forget();
  });
}

void ServedRelay::ended(pid_t pid) {
  if (pid == relay_.pid()) {
    relay_.forget();
    closing_.clear();
  }
  if (pid == connector_.pid()) connector_.forget();
  if (datagrams_.has(pid)) return datagrams_.ended();
  if (!sockets_.empty()) start_later();
}

// Connections wait in their sockets meanwhile.
void ServedRelay::start_later() {
  again_.start(loop_, monotonic_ns() + pause_.next(), [this] {
    if (!sockets_.empty() && start() < 0) start_later();
  });
}

// Starts what is not there. Each process hears its requests in their order, so the connector knows where connections may go before the
// relay can ask it for one.
int ServedRelay::start() {
  if (relay_.pid() != 0 && connector_.pid() != 0) return 0;
  int result = connector_.pid() == 0 ? start_connector() : 0;
  if (result == 0) result = join();
  return result;
}

int ServedRelay::start_connector() {
  const auto told = [this](const relay::RequestAnswer& answer) {
    if (answer.kind == 0) return stands(answer);
    const auto found = sockets_.find(answer.socket);
    const bool is_known =
        answer.kind == static_cast<uint32_t>(RequestKind::kAllow) || answer.kind == static_cast<uint32_t>(RequestKind::kList);
    if (!is_known || found == sockets_.end()) return;
    if (found->second.unanswered_by_connector > 0) --found->second.unanswered_by_connector;
    if (answer.result < 0) return;
    if (!std::exchange(found->second.is_allowed, true)) tell_relay(answer.socket);
  };
  const int result = connector_.start(executable_, kConnectorName, told, [](uint64_t, const egress::Refusal&) {});
  if (result < 0) return result;
  for (auto& [number, served] : sockets_) {
    served.unanswered_by_connector = 0;
    tell_connector(number);
  }
  return 0;
}

void ServedRelay::stands(const relay::RequestAnswer& ready) {
  if (ready.result == 0) pause_.begin_anew();
}

int ServedRelay::start_relay() {
  const auto told = [this](const relay::RequestAnswer& answer) {
    if (answer.kind == 0) return stands(answer);
    if (answer.kind == static_cast<uint32_t>(RequestKind::kStop)) closing_.erase(answer.socket);
    if (const auto found = sockets_.find(answer.socket); found != sockets_.end() && found->second.unanswered_by_relay > 0) {
      --found->second.unanswered_by_relay;
    }
    // whoever can't be served hears that at once, and does not wait. ENOENT: what was to be stopped had never begun
    const bool is_refused = answer.result < 0 && answer.result != -ENOENT;
    if (const auto found = sockets_.find(answer.socket); is_refused && found != sockets_.end()) drop(found);
  };
  const auto refused = [this](uint64_t socket, const egress::Refusal& refusal) {
    const auto found = sockets_.find(socket);
    if (found != sockets_.end() && refused_) refused_(found->second.owner, refusal);
  };
  const int result = relay_.start(executable_, kRelayName, told, refused);
  if (result < 0) return result;
  for (auto& [number, served] : sockets_) {
    served.unanswered_by_relay = 0;
    if (served.is_allowed) tell_relay(number);
  }
  return 0;
}

// Gives each of the two a socket to the other.
int ServedRelay::join() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
  const auto ours = std::make_shared<const unique_fd>(pair[0]), theirs = std::make_shared<const unique_fd>(pair[1]);
  const int result = relay_.pid() == 0 ? start_relay() : 0;
  if (result < 0) return result;
  connector_.ask(request_of(RequestKind::kPeer, 0), {ours});
  relay_.ask(request_of(RequestKind::kPeer, 0), {theirs});
  return 0;
}

void ServedRelay::tell_connector(uint64_t number) {
  Served& served = sockets_.at(number);
  ++served.unanswered_by_connector;
  relay::Request request = request_of(served.has_list ? RequestKind::kList : RequestKind::kAllow, number);
  request.endpoints = served.to;
  request.rules = served.rules;
  connector_.ask(request, {});
}

void ServedRelay::tell_relay(uint64_t number) {
  Served& served = sockets_.at(number);
  ++served.unanswered_by_relay;
  relay::Request request = request_of(served.has_list ? RequestKind::kGuide : RequestKind::kServe, number);
  request.owner = served.owner;
  request.endpoints = served.to;
  request.has_ipv6 = served.has_ipv6;
  request.has_peers = served.has_peers;
  request.rules = served.rules;
  relay_.ask(request, served.fds);
}

void ServedRelay::save(Saved& to) const {
  for (const auto& entry : sockets_) {
    const Served& served = entry.second;
    Saved item = to.inner();
    std::string endpoints;
    Writer writer(endpoints);
    relay::write_endpoints(writer, served.to);
    item.number("owner", served.owner).number("slot", static_cast<uint64_t>(served.slot)).text("to", endpoints);
    item.number("list", served.has_list ? 1 : 0).number("ipv6", served.has_ipv6 ? 1 : 0).number("peers", served.has_peers ? 1 : 0);
    for (const auto& fd : served.fds) {
      Saved one = to.inner();
      one.fd("fd", fd->get());
      item.add("fds", one);
    }
    for (const std::string& rule : served.rules) {
      Saved one = to.inner();
      one.text("rule", rule);
      item.add("rules", one);
    }
    to.add("sockets", item);
  }
  Saved datagrams = to.inner();
  datagrams_.save(datagrams);
  to.add("datagrams", datagrams);
}

void ServedRelay::find(const Found& found, int executable) {
  executable_ = executable;
  for (const Found& item : found.list("sockets")) {
    Served served;
    served.owner = item.number("owner");
    served.slot = static_cast<int64_t>(item.number("slot", static_cast<uint64_t>(kNoSlot)));
    served.has_list = item.number("list") != 0;
    served.has_ipv6 = item.number("ipv6") != 0;
    served.has_peers = item.number("peers", 0) != 0;
    for (const Found& one : item.list("fds")) served.fds.push_back(std::make_shared<const unique_fd>(one.fd("fd")));
    for (const Found& one : item.list("rules")) served.rules.push_back(one.text("rule"));
    const std::string endpoints = item.text("to");
    Reader reader(endpoints.data(), endpoints.size());
    if (relay::read_endpoints(reader, served.to)) add(std::move(served));
  }
  if (!sockets_.empty() && start() < 0) start_later();
  for (const Found& item : found.list("datagrams")) datagrams_.find(item, executable);
}

}  // namespace nacelle
