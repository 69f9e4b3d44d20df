#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "unique_fd.h"

// Descriptors that travel beside a message (cmsg(3), unix(7)).
namespace nacelle {

// A buffer with room for kDescriptors descriptors and the sender's credentials. It must live as long as the header that points to it.
template <size_t kDescriptors>
union Ancillary {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int) * kDescriptors) + CMSG_SPACE(sizeof(ucred))];
};

// Adds descriptors to a message that is to be sent; at most as many as there is room for.
template <size_t kDescriptors>
void put_descriptors(msghdr& header, Ancillary<kDescriptors>& room, const int* fds, size_t count) {
  if (count == 0) return;
  header.msg_control = room.bytes;
  header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
  cmsghdr* item = CMSG_FIRSTHDR(&header);
  item->cmsg_level = SOL_SOCKET;
  item->cmsg_type = SCM_RIGHTS;
  item->cmsg_len = CMSG_LEN(sizeof(int) * count);
  std::memcpy(CMSG_DATA(item), fds, sizeof(int) * count);
}

// Sends one message with one descriptor. 0 or -errno.
inline int send_descriptor(int socket, int fd, iovec part, int flags = 0) {
  Ancillary<1> room{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  put_descriptors(header, room, &fd, 1);
  ssize_t sent;
  do {
    sent = sendmsg(socket, &header, flags | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

// Calls `take` with each descriptor that came, so that every one has an owner from then on.
template <typename Take>
void take_descriptors(msghdr& header, Take take) {
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(item) + i * sizeof fd, sizeof fd);
      take(unique_fd(fd));
    }
  }
}

// The pid of the sender, as this process's pid namespace has it; 0 when the socket passes none.
inline pid_t sender_of(msghdr& header) {
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_CREDENTIALS) continue;
    ucred credentials;
    std::memcpy(&credentials, CMSG_DATA(item), sizeof credentials);
    return credentials.pid;
  }
  return 0;
}

}  // namespace nacelle
