#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "lookup.h"
#include "policy.h"

namespace nacelle::egress {

// Where a container connects to: a name, or an address without one.
struct Goal {
  std::string name;     // '' when it is an address
  std::string address;  // 4 or 16 bytes, '' when it is a name
  uint16_t port = 0;
};

// Where a connection has got to.
struct Place {
  std::string address;  // 4 or 16 bytes; '' for one that goes on its way still
  bool is_own = false;  // of this machine
};

// What came of it.
struct Reached {
  unique_fd socket;  // connected
  // Or -errno: EACCES when the list does not allow the name or the address; EPERM when the name leads only to addresses to which no name
  // may lead; ENOENT when it leads to none; or what connect(2) says of the last one.
  int result = 0;
  std::string address;  // that was connected to, or was refused
  bool is_own = false;  // it is one of the machine's
};

// One connection, as far as a list allows it: the name is allowed, it is resolved now, and each address is looked at before it is tried.
// All of that is over after 10 s; of what is left of them, each address has its share.
class Reach {
 public:
  using Done = std::function<void(Reached reached)>;
  // `done` is called once, never before begin() returns. The object may be deleted when it is called, and at any time before.
  Reach(Loop& loop, Lookup::Servers servers, std::shared_ptr<const Policy> policy, Goal goal, Done done);
  ~Reach();
  Reach(const Reach&) = delete;
  Reach& operator=(const Reach&) = delete;
  void begin();

 private:
  void choose(const std::vector<std::string>& addresses);
  void try_next();
  int connect();
  void ready();
  void fail(int result);
  void finish(Reached reached);

  Loop& loop_;
  const Lookup::Servers servers_;
  const std::shared_ptr<const Policy> policy_;
  const Goal goal_;
  const Done done_;
  std::unique_ptr<Lookup> lookup_;
  std::vector<std::string> addresses_;
  uint64_t ends_at_ = 0;
  size_t tried_ = 0;
  int last_ = 0;
  unique_fd socket_;
  Watch watch_;
  Timer patience_;
  const std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace nacelle::egress
