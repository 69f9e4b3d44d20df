#include "server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "../kernel/ancillary.h"
#include "../kernel/receive_packet.h"
#include "request.h"

namespace nacelle::names {

int Server::open(int folder) {
  int result = loop_.open();
  if (result == 0) result = resolver_.open(folder);
  return result < 0 ? result : requests_.start(loop_, control_, EPOLLIN, [this](uint32_t) { take_requests(); });
}

void Server::take_requests() {
  static char buffer[kMaxRequest];
  for (;;) {
    iovec part{buffer, sizeof buffer};
    Ancillary<2> room{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = room.bytes;
    header.msg_controllen = sizeof room.bytes;
    const ssize_t size = receive_packet(control_, header, MSG_DONTWAIT);
    if (size == -EAGAIN) return;
    if (size <= 0) return loop_.stop();
    unique_fd fds[2];
    size_t count = 0;
    take_descriptors(header, [&](unique_fd fd) {
      if (count < 2) fds[count++] = std::move(fd);
    });
    RequestAnswer answer;
    Reader request(buffer, static_cast<size_t>(size));
    const bool is_cut = (header.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0;
    answer.result = carry_out(request, answer.id, std::move(fds[0]), std::move(fds[1]));
    if (is_cut && answer.result != 0) answer.result = -EMFILE;
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
    found->second->stop();
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
  found->second->change(std::move(scope));
  return 0;
}

int Server::start(uint64_t id, Scope scope, unique_fd udp, unique_fd tcp) {
  const auto service = std::make_shared<Service>(loop_, resolver_, shares_, id, std::move(scope));
  const int result = service->start(std::move(udp), std::move(tcp));
  if (result == 0) services_.emplace(id, service);
  return result;
}

}  // namespace nacelle::names
