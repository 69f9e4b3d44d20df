#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "answers.h"
#include "connection.h"
#include "shares.h"

namespace nacelle::names {

// The two sockets by which one container asks: what it is told follows from the socket, not from its address.
class Service : public std::enable_shared_from_this<Service> {
 public:
  Service(Loop& loop, std::shared_ptr<Answers> answers, Shares& connections, uint64_t id);
  // Takes a bound UDP socket and a listening TCP socket. 0 or -errno.
  int start(unique_fd udp, unique_fd tcp);
  void stop();

 private:
  void take_datagrams();
  void take_datagram(std::string_view message, const sockaddr_storage& from, socklen_t from_size);
  void reply(const std::string& answer, const sockaddr_storage& to, socklen_t to_size);
  void take_connections();
  void take_connection(unique_fd fd);

  Loop& loop_;
  const std::shared_ptr<Answers> answers_;
  Shares& shares_;
  const uint64_t id_;
  unique_fd udp_, tcp_;
  Watch datagrams_, connections_;
  Timer pause_;
  // How often there was one datagram alone, one time after the other.
  unsigned calm_ = 0;
  uint64_t last_ = 0;
  std::unordered_map<uint64_t, std::shared_ptr<Connection>> open_;
};

}  // namespace nacelle::names
