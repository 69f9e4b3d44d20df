#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "../egress/opening_check.h"
#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "endpoint.h"
#include "flow.h"

namespace nacelle::relay {

// From now on, close(2) resets the connection.
void break_off(int fd);

// A connection that was accepted, and the one that was made for it. Each direction ends by itself, as with a TCP connection of the two;
// what breaks one of the connections resets the other.
class Stream {
 public:
  struct Calls {
    // Has a connection to the endpoint made: connected() is called then.
    std::function<void(const Endpoint&)> dial;
    // What looks at how the stream begins; null: nothing does.
    std::shared_ptr<egress::OpeningCheck> opening;
    // That has refused it: the stream is reset next.
    std::function<void()> refused;
    // Once: the stream is over, and may be deleted when what calls it has returned.
    std::function<void()> ended;
  };
  Stream(Loop& loop, PipePool& pool, unique_fd client, std::vector<Endpoint> to, Calls calls);

  void start();
  // A socket that is being connected to the endpoint that was dialled, or -errno.
  void connected(int result, unique_fd server);
  // Ends it, so that both sides see that something broke.
  void reset();
  // When it last had something to do: of the streams of a container, a new one takes the place of the one that is longest idle.
  uint64_t active_at() const { return active_at_; }

 private:
  struct Side {
    unique_fd fd;
    Watch watch;
    uint32_t events = 0;  // that are watched for
    bool is_watched = false;
  };
  void dial_next();
  void server_ready(uint32_t events);
  void ready(Side& side, uint32_t events, Flow& from_here, Flow& to_here);
  int end_flows();
  bool may_move(const Side& side, uint32_t events, int& result);
  bool client_may(uint32_t events, int& result);
  bool server_may(uint32_t events, int& result);
  bool is_opening() const { return calls_.opening && !calls_.opening->is_over(); }
  uint32_t awaited_of_client() const;
  uint32_t awaited_of_server() const;
  int watch(Side& side, uint32_t events);
  void unwatch(Side& side);
  void close();

  Loop& loop_;
  const std::vector<Endpoint> to_;
  const Calls calls_;
  Side client_, server_;
  Flow up_, down_;  // to the server, and from it
  size_t tried_ = 0;
  bool client_ended_ = false;  // has been heard while the client was looked at
  bool is_connected_ = false, up_ended_ = false, down_ended_ = false;
  uint64_t active_at_ = 0;
};

}  // namespace nacelle::relay
