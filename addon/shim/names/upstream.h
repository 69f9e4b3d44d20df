#pragma once

#include <functional>
#include <string>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "dns_message.h"
#include "resolv_conf.h"

namespace nacelle::names {

// One query to one server, from a socket of its own: so the kernel chooses a port at random, and takes only what this server sends.
class Upstream {
 public:
  // `told` gets the answer, or '' once the server can't be asked. Afterwards nothing comes.
  using Told = std::function<void(std::string answer)>;
  Upstream(Loop& loop, const NameServer& server, bool is_tcp, const std::string& message, const Query& query, Told told);

  // Asks, or asks again where the question may have been lost.
  void ask();
  // Nothing is to come from this server any more.
  void end();
  bool has_ended() const { return has_ended_; }

 private:
  int connect();
  int send_datagram();
  int send_some();
  int receive_datagrams();
  int receive_some();
  void ready(uint32_t events);
  void fail();

  Loop& loop_;
  const NameServer& server_;
  const bool is_tcp_;
  const std::string& message_;
  const Query& query_;
  Told told_;

  unique_fd socket_;
  Watch watch_;
  uint16_t id_ = 0;
  std::string out_;  // to be sent over TCP
  std::string in_;   // come over TCP: a size, and so much of the answer as there is
  bool has_ended_ = false;
};

}  // namespace nacelle::names
