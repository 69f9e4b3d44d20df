#include "message.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "../kernel/ancillary.h"
#include "../kernel/memfd.h"
#include "../kernel/receive_packet.h"

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
  iovec part{buffer, sizeof buffer};
  Ancillary<kMaxDescriptors> room{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = room.bytes;
  header.msg_controllen = sizeof room.bytes;
  const ssize_t size = receive_packet(socket, header, MSG_DONTWAIT);
  if (size <= 0) return static_cast<int>(size);
  message = Message{};
  take_descriptors(header, [&message](unique_fd fd) { message.fds.push_back(std::move(fd)); });
  Header head{};
  if (static_cast<size_t>(size) < sizeof head || (header.msg_flags & MSG_TRUNC) != 0) return -EPROTO;
  message.cut = (header.msg_flags & MSG_CTRUNC) != 0;
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
  msghdr header{};
  header.msg_iov = parts;
  header.msg_iovlen = 2;
  unique_fd memfd;
  std::vector<int> raw;
  if (message.body.size() > kInlineBody) {
    const int result = sealed_memfd(message.body.data(), message.body.size(), memfd);
    if (result < 0) return result;
    head.flags = kBodyInMemfd;
    header.msg_iovlen = 1;
    raw.push_back(memfd.get());
  }
  for (const unique_fd& fd : message.fds) raw.push_back(fd.get());
  if (raw.size() > static_cast<size_t>(kMaxDescriptors)) return -E2BIG;
  Ancillary<kMaxDescriptors> room{};
  put_descriptors(header, room, raw.data(), raw.size());
  ssize_t sent;
  do {
    sent = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

}  // namespace nacelle
