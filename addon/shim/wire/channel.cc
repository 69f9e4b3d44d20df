#include "channel.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "../kernel/packet.h"

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
  return send_packet<kMaxChannelFds>(channel, &message, offsetof(ChannelMessage, text) + std::strlen(message.text) + 1, fds, count);
}

int receive_message(int channel, ChannelMessage& message, unique_fd* fds, size_t& count, int& sender) {
  message = ChannelMessage{};
  Packet<kMaxChannelFds> packet = receive_packet<kMaxChannelFds>(channel, &message, sizeof message, 0);
  sender = packet.sender;
  count = packet.count;
  for (size_t i = 0; i < count; ++i) fds[i] = std::move(packet.fds[i]);
  if (packet.size <= 0) return static_cast<int>(packet.size);
  message.text[sizeof message.text - 1] = '\0';
  return static_cast<size_t>(packet.size) > offsetof(ChannelMessage, text) ? 1 : -EBADMSG;
}

}  // namespace nacelle
