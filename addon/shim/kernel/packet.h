#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "unique_fd.h"

// Messages of SOCK_SEQPACKET sockets, and the descriptors that travel beside them (cmsg(3), unix(7)).
namespace nacelle {

// A message that has come.
template <size_t kMost>
struct Packet {
  ssize_t size = 0;           // 0: no more will come; or -errno
  bool is_cut = false;        // the message was longer than the room for it
  bool lacks_fds = false;     // this process had no room for a descriptor
  pid_t sender = 0;           // as this process's pid namespace has it; 0 when the socket passes none
  size_t count = 0;           // of descriptors
  unique_fd fds[kMost] = {};  // those beyond are closed
};

namespace cmsg {

// Room for descriptors and the sender's credentials.
template <size_t kMost>
union Ancillary {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int) * kMost) + CMSG_SPACE(sizeof(ucred))];
};

// Every descriptor that came has an owner after this.
template <size_t kMost>
void take_ancillary(msghdr& header, Packet<kMost>& to) {
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level != SOL_SOCKET) continue;
    if (item->cmsg_type == SCM_CREDENTIALS) {
      ucred credentials;
      std::memcpy(&credentials, CMSG_DATA(item), sizeof credentials);
      to.sender = credentials.pid;
    }
    if (item->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int raw;
      std::memcpy(&raw, CMSG_DATA(item) + i * sizeof raw, sizeof raw);
      unique_fd fd(raw);
      if (to.count < kMost) to.fds[to.count++] = static_cast<unique_fd&&>(fd);
    }
  }
}

}  // namespace cmsg

// Receives one message. A call that says that the end has come is made once more: the kernel looks for a message first and for the other
// side's end only then, so messages that are sent in between, just before that end, are left in the queue. And a side that ends without
// reading what was sent to it is told of as ECONNRESET, once, ahead of its messages. No message comes after the end, so the second answer
// is the truth.
template <size_t kMost = 1>
Packet<kMost> receive_packet(int socket, void* bytes, size_t room, int flags = MSG_DONTWAIT) {
  iovec part{bytes, room};
  cmsg::Ancillary<kMost> ancillary{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = ancillary.bytes;
  Packet<kMost> packet;
  for (bool has_ended = false;; has_ended = true) {
    do {
      header.msg_controllen = sizeof ancillary.bytes;
      packet.size = recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
    } while (packet.size < 0 && errno == EINTR);
    if (packet.size < 0 && errno != ECONNRESET) {
      packet.size = -errno;
      return packet;
    }
    if (packet.size >= 0) cmsg::take_ancillary(header, packet);
    if (packet.size > 0) {
      packet.is_cut = (header.msg_flags & MSG_TRUNC) != 0;
      packet.lacks_fds = (header.msg_flags & MSG_CTRUNC) != 0;
      return packet;
    }
    // an empty message looks like the end, and may bring descriptors
    packet = {};
    if (has_ended) return packet;
  }
}

// Sends one message of several parts. 0 or -errno; E2BIG: more descriptors than there is room for.
template <size_t kMost>
int send_packet(int socket, iovec* parts, size_t part_count, const int* fds, size_t count, int flags = 0) {
  if (count > kMost) return -E2BIG;
  cmsg::Ancillary<kMost> ancillary{};
  msghdr header{};
  header.msg_iov = parts;
  header.msg_iovlen = part_count;
  if (count > 0) {
    header.msg_control = ancillary.bytes;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int) * count);
    std::memcpy(CMSG_DATA(item), fds, sizeof(int) * count);
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &header, flags | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

// One part.
template <size_t kMost>
int send_packet(int socket, const void* bytes, size_t size, const int* fds, size_t count, int flags = 0) {
  iovec part{const_cast<void*>(bytes), size};
  return send_packet<kMost>(socket, &part, 1, fds, count, flags);
}

}  // namespace nacelle
