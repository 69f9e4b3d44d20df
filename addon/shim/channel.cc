#include "channel.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace nacelle {
namespace {

constexpr size_t kMaxFds = 16;

union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int) * kMaxFds) + CMSG_SPACE(sizeof(ucred))];
};

}  // namespace

int make_channel(unique_fd& shim, unique_fd& child) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
  shim.reset(pair[0]);
  child.reset(pair[1]);
  if (fcntl(shim.get(), F_SETFL, O_NONBLOCK) < 0) return -errno;
  const int on = 1;
  // the pid of a later stage, as the shim's pid namespace has it
  return setsockopt(shim.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ? -errno : 0;
}

int send_message(int channel, const ChannelMessage& message, const int* fds, size_t count) {
  if (count > kMaxFds) return -E2BIG;
  iovec part{const_cast<ChannelMessage*>(&message), offsetof(ChannelMessage, text) + std::strlen(message.text) + 1};
  Control control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (count > 0) {
    header.msg_control = control.bytes;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
    std::memcpy(CMSG_DATA(rights), fds, sizeof(int) * count);
  }
  ssize_t sent;
  do {
    sent = sendmsg(channel, &header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

int send_descriptor(int channel, int32_t slot, int fd) {
  ChannelMessage message;
  message.signal = Signal::kDescriptor;
  message.value = slot;
  return send_message(channel, message, &fd, 1);
}

int receive_message(int channel, ChannelMessage& message, unique_fd* fds, size_t& count, int& sender) {
  message = ChannelMessage{};
  count = 0;
  sender = 0;
  iovec part{&message, sizeof message};
  Control control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof control.bytes;
  ssize_t size;
  do {
    size = recvmsg(channel, &header, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return errno == ECONNRESET ? 0 : -errno;
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level != SOL_SOCKET) continue;
    if (item->cmsg_type == SCM_RIGHTS) {
      const size_t received = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      int raw[kMaxFds];
      std::memcpy(raw, CMSG_DATA(item), sizeof(int) * received);
      for (size_t i = 0; i < received; ++i) fds[count++].reset(raw[i]);
    } else if (item->cmsg_type == SCM_CREDENTIALS) {
      ucred credentials;
      std::memcpy(&credentials, CMSG_DATA(item), sizeof credentials);
      sender = credentials.pid;
    }
  }
  if (size == 0) return 0;
  message.text[sizeof message.text - 1] = '\0';
  return static_cast<size_t>(size) > offsetof(ChannelMessage, text) ? 1 : -EBADMSG;
}

}  // namespace nacelle
