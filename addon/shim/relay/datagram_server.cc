#include "datagram_server.h"

#include <sys/epoll.h>

#include <cerrno>
#include <utility>

#include "requests.h"

namespace nacelle::relay {

int DatagramServer::open() {
  const int result = loop_.open();
  if (result < 0) return result;
  return requests_.start(loop_, control_, EPOLLIN, [this](uint32_t) {
    const auto carry = [this](const Request& request, std::vector<unique_fd> fds) { return carry_out(request, std::move(fds)); };
    if (!take_requests(control_, carry)) loop_.stop();
  });
}

int DatagramServer::carry_out(const Request& request, std::vector<unique_fd> fds) {
  if (request.kind == RequestKind::kStop) return ports_.erase(request.socket) == 0 ? -ENOENT : 0;
  if (request.kind != RequestKind::kServe) return -EPROTO;
  if (ports_.count(request.socket) > 0) return -EEXIST;
  if (fds.size() != 1 || request.endpoints.size() != 1) return -EINVAL;
  auto port = std::make_unique<DatagramPort>(loop_, flows_, request.owner, request.endpoints[0]);
  if (const int result = port->start(std::move(fds[0])); result < 0) return result;
  ports_.emplace(request.socket, std::move(port));
  return 0;
}

}  // namespace nacelle::relay
