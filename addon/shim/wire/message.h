#pragma once

#include <string>
#include <vector>

#include "../kernel/unique_fd.h"
#include "protocol.h"

namespace nacelle {

// A message of protocol.h with its descriptors.
struct Message {
  uint16_t type = 0;
  uint32_t id = 0;
  std::string body;
  std::vector<unique_fd> fds;
  bool cut = false;  // this process's table of descriptors had no room for all: `fds`, and a long body, are not whole
};

// 1 with a message, 0 at the end of file, -EAGAIN when there is none now, -EPROTO when it is not ours.
int receive(int socket, Message& message);

// Sends, or -EAGAIN when the socket is full; a long body goes into a sealed memfd.
int send(int socket, Message& message);

}  // namespace nacelle
