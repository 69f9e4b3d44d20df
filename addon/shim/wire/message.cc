#include "message.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "../kernel/memfd.h"
#include "../kernel/packet.h"

namespace nacelle {
namespace {

int read_body(int fd, uint32_t size, std::string& out) {
  struct stat status {};
  if (fstat(fd, &status) < 0) return -errno;
  if (size > kMaxBody || status.st_size != static_cast<off_t>(size)) return -EPROTO;
  out.resize(size);
  return read_memfd(fd, out.data(), size);
}

}  // namespace

int receive(int socket, Message& message) {
  static char buffer[sizeof(Header) + kInlineBody];
  Packet<kMaxDescriptors> packet = receive_packet<kMaxDescriptors>(socket, buffer, sizeof buffer);
  const ssize_t size = packet.size;
  if (size <= 0) return static_cast<int>(size);
  message = Message{};
  message.fds.assign(std::make_move_iterator(packet.fds), std::make_move_iterator(packet.fds + packet.count));
  Header head{};
  if (static_cast<size_t>(size) < sizeof head || packet.is_cut) return -EPROTO;
  message.cut = packet.lacks_fds;
  std::memcpy(&head, buffer, sizeof head);
  if (head.version != kProtocolVersion) return -EPROTO;
  message.type = head.type;
  message.id = head.id;
  if ((head.flags & kBodyInMemfd) != 0) {
    if (message.fds.empty()) return message.cut ? 1 : -EPROTO;
    const int result = read_body(message.fds.front().get(), head.size, message.body);
    message.fds.erase(message.fds.begin());
    return result < 0 ? result : 1;
  }
  if (static_cast<size_t>(size) != sizeof head + head.size) return -EPROTO;
  message.body.assign(buffer + sizeof head, head.size);
  explicit_bzero(buffer, static_cast<size_t>(size));  // a plan's arguments and environment must not stay in this buffer
  return 1;
}

int send(int socket, Message& message) {
  Header head{kProtocolVersion, message.type, message.id, static_cast<uint32_t>(message.body.size()), 0};
  iovec parts[2] = {{&head, sizeof head}, {message.body.data(), message.body.size()}};
  size_t count = 2;
  unique_fd memfd;
  std::vector<int> raw;
  if (message.body.size() > kInlineBody) {
    const int result = sealed_memfd(message.body.data(), message.body.size(), memfd);
    if (result < 0) return result;
    head.flags = kBodyInMemfd;
    count = 1;
    raw.push_back(memfd.get());
  }
  for (const unique_fd& fd : message.fds) raw.push_back(fd.get());
  return send_packet<kMaxDescriptors>(socket, parts, count, raw.data(), raw.size(), MSG_DONTWAIT);
}

}  // namespace nacelle
