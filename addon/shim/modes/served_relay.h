#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../wire/saved.h"
#include "relay_process.h"
#include "restart_pause.h"
#include "served_datagrams.h"

namespace nacelle {

// What has no slot: the sockets in a container's network.
constexpr int64_t kNoSlot = -1;

// A listening socket, and where what it accepts goes: to the first that takes it, and nowhere else. It is in a container's network, or a
// published port, which the task has in a slot too.
struct RelayedSocket {
  unique_fd fd;
  std::vector<relay::Endpoint> to;
  int64_t slot = kNoSlot;
};

// The sockets of a container whose connections go where its list allows (egress/policy.h): one or two that listen, and those at which it
// asks about names.
struct GuidedSockets {
  std::vector<unique_fd> listening;
  unique_fd udp, tcp;
  unique_fd peers;  // by which names of the container's networks are asked for; none where it can have no networks
  bool has_ipv6 = false;
  std::vector<std::string> rules;
};

// The streams of the shim's containers, carried by two processes (relay.h), which are there while one of them has a socket. The sockets are
// the shim's too: when a process dies another one goes on with them, and with the connections that wait there. Streams end with the relay,
// and go on without the connector.
class ServedRelay {
 public:
  // Connections are made in the network namespace ns, where that is one, and else in the shim's.
  explicit ServedRelay(Loop& loop, unique_fd ns = {})
      : loop_(loop), ns_(std::move(ns)), relay_(loop), connector_(loop, ns_.get()), datagrams_(loop, ns_.get()) {}

  // Serves these sockets of the task of this number, beside those that are served for it already. 0 or -errno: then none of them is.
  int serve(int executable, uint64_t id, std::vector<RelayedSocket> sockets);
  int guide(int executable, uint64_t id, GuidedSockets sockets);
  // Another list for the guided sockets of the task. 0 or -errno: ENOENT when it has none. Both processes hear of it later.
  int change(uint64_t id, const std::vector<std::string>& rules);
  // Whether both go by the list that the task has now. 0 or -errno: EBUSY until they do, ENOENT as above.
  int goes_by_list(uint64_t id) const;
  // Ends what the task has guided sockets for: the relay hears of it later.
  void end_guided(uint64_t id);
  // Whether the relay has closed all of them. 0, or -EBUSY before.
  int has_ended_guided(uint64_t id) const;
  // What the task has in the slots from `first` to `last`, of both kinds.
  void stop(uint64_t id, int64_t first, int64_t last);
  // Published ports of UDP.
  ServedDatagrams& datagrams() { return datagrams_; }
  // What the task of a number was refused.
  using Refused = std::function<void(uint64_t id, const egress::Refusal&)>;
  void when_refused(Refused refused) { refused_ = std::move(refused); }

  // Nothing is served.
  bool is_idle() const { return sockets_.empty() && datagrams_.is_idle(); }
  int ns() const { return ns_.get(); }
  // Whether the pid is one of the processes.
  bool has(pid_t pid) const { return pid > 0 && (pid == relay_.pid() || pid == connector_.pid() || datagrams_.has(pid)); }
  // One of the processes has ended, and was reaped.
  void ended(pid_t pid);

  // For the shim that takes over, which has processes of its own; those that were there go on until their streams have ended.
  void save(Saved& to) const;
  void find(const Found& found, int executable);

 private:
  struct Served {
    uint64_t owner = 0;
    int64_t slot = kNoSlot;
    RelayProcess::Descriptors fds;
    std::vector<relay::Endpoint> to;
    bool has_list = false, has_ipv6 = false, has_peers = false;
    std::vector<std::string> rules;
    bool is_allowed = false;  // the connector knows
    // Requests about it that each process has still to answer.
    size_t unanswered_by_relay = 0, unanswered_by_connector = 0;
  };
  using Sockets = std::unordered_map<uint64_t, Served>;
  // Returns what comes after it.
  Sockets::iterator drop(Sockets::iterator item);
  void end_idle_later();
  void add(Served served) { sockets_.emplace(++last_, std::move(served)); }
  int serve_since(int executable, uint64_t before);
  static Served served_by(uint64_t owner, RelayedSocket socket);
  static Served served_by(uint64_t owner, GuidedSockets sockets);
  int start();
  int start_connector();
  int start_relay();
  int join();
  void start_later();
  void stands(const relay::RequestAnswer& ready);
  void tell_connector(uint64_t number);
  void tell_relay(uint64_t number);

  Loop& loop_;
  const unique_fd ns_;
  int executable_ = -1;
  Sockets sockets_;                                 // by numbers that are given once
  std::unordered_map<uint64_t, uint64_t> closing_;  // guided sockets that the relay has still to close: their numbers, and their owners
  uint64_t last_ = 0;
  RelayProcess relay_, connector_;
  ServedDatagrams datagrams_;
  Refused refused_;
  Timer again_, idle_;
  RestartPause pause_;
};

}  // namespace nacelle
