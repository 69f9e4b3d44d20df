#include "channel.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "../kernel/ancillary.h"
#include "../kernel/receive_packet.h"

namespace nacelle {
namespace {

// SO_PASSRIGHTS of Linux 6.16, which is later than the headers that this is built with.
constexpr int kSoPassRights = 83;

}  // namespace

int make_channel(unique_fd& shim, unique_fd& child) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
  shim.reset(pair[0]);
  child.reset(pair[1]);
  if (fcntl(shim.get(), F_SETFL, O_NONBLOCK) < 0) return -errno;
  const int on = 1;
  // the shim needs the pid of a later stage as its own pid namespace has it
  return setsockopt(shim.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ? -errno : 0;
}

int refuse_descriptors(int shim) {
  const int off = 0;
  return setsockopt(shim, SOL_SOCKET, kSoPassRights, &off, sizeof off) < 0 && errno != ENOPROTOOPT ? -errno : 0;
}

int send_message(int channel, const ChannelMessage& message, const int* fds, size_t count) {
  if (count > kMaxChannelFds) return -E2BIG;
  iovec part{const_cast<ChannelMessage*>(&message), offsetof(ChannelMessage, text) + std::strlen(message.text) + 1};
  Ancillary<kMaxChannelFds> room{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  put_descriptors(header, room, fds, count);
  ssize_t sent;
  do {
    sent = sendmsg(channel, &header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

int receive_message(int channel, ChannelMessage& message, unique_fd* fds, size_t& count, int& sender) {
  message = ChannelMessage{};
  count = 0;
  sender = 0;
  iovec part{&message, sizeof message};
  Ancillary<kMaxChannelFds> room{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = room.bytes;
  header.msg_controllen = sizeof room.bytes;
  const ssize_t size = receive_packet(channel, header, 0);
  if (size <= 0) return static_cast<int>(size);
  take_descriptors(header, [fds, &count](unique_fd fd) {
    if (count < kMaxChannelFds) fds[count++] = std::move(fd);
  });
  sender = sender_of(header);
  message.text[sizeof message.text - 1] = '\0';
  return static_cast<size_t>(size) > offsetof(ChannelMessage, text) ? 1 : -EBADMSG;
}

}  // namespace nacelle
