#pragma once

#include <sys/socket.h>

// What a socket is, by its options (socket(7)).
namespace nacelle {

// Of the level SOL_SOCKET; -1 for what has no such option.
inline int socket_option(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

// A socket of IPv4 or IPv6 of this type: SOCK_STREAM, SOCK_DGRAM.
inline bool is_internet(int fd, int type) {
  const int domain = socket_option(fd, SO_DOMAIN);
  return (domain == AF_INET || domain == AF_INET6) && socket_option(fd, SO_TYPE) == type;
}

inline bool is_listening(int fd) { return is_internet(fd, SOCK_STREAM) && socket_option(fd, SO_ACCEPTCONN) == 1; }

}  // namespace nacelle
