#pragma once

#include <sys/socket.h>

#include <cerrno>

#include "ancillary.h"
#include "unique_fd.h"

// Receiving from SOCK_SEQPACKET sockets.
namespace nacelle {

// Receives one message: its size, 0 at the end, or -errno. A call that says that the end has come is made once more. For the kernel looks
// for a message first and for the other side's end only then, so that messages that are sent in between, just before that end, are left
// in the queue. And whoever ends without reading what was sent to it is told of as ECONNRESET, once, ahead of its messages. No message
// comes after the end, so the second answer is the truth.
inline ssize_t receive_packet(int socket, msghdr& header, int flags) {
  const size_t room = header.msg_controllen;
  for (bool has_ended = false;; has_ended = true) {
    ssize_t size;
    do {
      header.msg_controllen = room;
      size = recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0 && errno != ECONNRESET) return -errno;
    if (size > 0) return size;
    // an empty message looks like the end, and may bring descriptors
    if (size == 0) take_descriptors(header, [](const unique_fd&) {});
    if (has_ended) return 0;
  }
}

}  // namespace nacelle
