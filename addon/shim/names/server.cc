#include "server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "../kernel/packet.h"
#include "request.h"

namespace nacelle::names {

int Server::open(int folder, unique_fd changes) {
  int result = loop_.open();
  if (result == 0) result = resolver_.open(folder, std::move(changes));
  return result < 0 ? result : requests_.start(loop_, control_, EPOLLIN, [this](uint32_t) { take_requests(); });
}

void Server::take_requests() {
  static char buffer[kMaxRequest];
  for (;;) {
    Packet<2> packet = receive_packet<2>(control_, buffer, sizeof buffer);
    if (packet.size == -EAGAIN) return;
    if (packet.size <= 0) return loop_.stop();
    RequestAnswer answer;
    Reader request(buffer, static_cast<size_t>(packet.size));
    answer.result = carry_out(request, answer.id, std::move(packet.fds[0]), std::move(packet.fds[1]));
    if ((packet.is_cut || packet.lacks_fds) && answer.result != 0) answer.result = -EMFILE;
    // whoever asks so much without reading is not the shim
    if (send(control_, &answer, sizeof answer, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return loop_.stop();
  }
}

int Server::carry_out(Reader& request, uint64_t& id, unique_fd udp, unique_fd tcp) {
  const auto kind = static_cast<RequestKind>(request.u8());
  id = request.num();
  if (kind == RequestKind::kStop) {
    const auto found = services_.find(id);
    if (!request.ok() || !request.done()) return -EPROTO;
    if (found == services_.end()) return -ENOENT;
    found->second.service->stop();
    services_.erase(found);
    return 0;
  }
  Scope scope;
  scope.forwards = request.u8() != 0;
  const List<Str> networks = request.list<Str>();
  if (!request.ok() || !request.done()) return -EPROTO;
  for (const Str& network : networks) scope.networks.emplace_back(network.text, network.size);
  const auto found = services_.find(id);
  if (kind == RequestKind::kServe) return found == services_.end() ? start(id, std::move(scope), std::move(udp), std::move(tcp)) : -EEXIST;
  if (kind != RequestKind::kChange) return -EPROTO;
  if (found == services_.end()) return -ENOENT;
  found->second.answers->change(std::move(scope));
  return 0;
}

int Server::start(uint64_t id, Scope scope, unique_fd udp, unique_fd tcp) {
  const auto answers = std::make_shared<MemberAnswers>(resolver_, id, std::move(scope));
  const auto service = std::make_shared<Service>(loop_, answers, shares_, id);
  const int result = service->start(std::move(udp), std::move(tcp));
  if (result == 0) services_.emplace(id, Served{answers, service});
  return result;
}

}  // namespace nacelle::names
