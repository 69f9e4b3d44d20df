#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../names/answers.h"
#include "../names/service.h"
#include "../names/shares.h"
#include "fake_addresses.h"
#include "peer_names.h"
#include "policy.h"
#include "reach.h"
#include "refusals.h"

namespace nacelle::egress {

// What one container hears about names, and where its connections are meant to go.
class Guide {
 public:
  // `start`: where the addresses that stand for names begin.
  Guide(Loop& loop, names::Shares& connections, uint64_t owner, std::shared_ptr<const Policy> policy, bool has_ipv6, uint32_t start,
        Refusals::Told told);
  ~Guide();
  Guide(const Guide&) = delete;
  Guide& operator=(const Guide&) = delete;
  // Takes the sockets at which the container asks about names: a bound one of UDP and a listening one of TCP; and the one by which those of
  // its networks are asked for, or none. 0 or -errno.
  int start(unique_fd udp, unique_fd tcp, unique_fd peers);
  // Another list, from now on.
  void change(std::shared_ptr<const Policy> policy) { policy_ = std::move(policy); }

  // Where an accepted connection is to go. False when the list does not allow that, which has been told then.
  bool find_goal(int client, Goal& goal);
  // Whether the list allows what it allowed once: a goal, and where that led.
  bool allows(const Goal& goal, const Place& place) const;
  Refusals& refusals() { return refusals_; }

 private:
  class Answers;

  bool allows(const Goal& goal) const;

  std::shared_ptr<const Policy> policy_;
  FakeAddresses addresses_;
  Refusals refusals_;
  PeerNames peers_;
  const std::shared_ptr<names::Service> service_;
};

}  // namespace nacelle::egress
