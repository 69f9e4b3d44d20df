#pragma once

#include "../kernel/unique_fd.h"

namespace nacelle {

// A stay of this process in another network namespace, for as long as the object is there: a process of its own that goes there takes ten
// times as long. Who could not come back doesn't go.
class NetworkVisit {
 public:
  NetworkVisit();
  // The shim works for all tasks: one that can't come back ends, and its containers with it.
  ~NetworkVisit();
  NetworkVisit(const NetworkVisit&) = delete;
  NetworkVisit& operator=(const NetworkVisit&) = delete;

  // Whether this process has the right to join its own network namespace. It keeps that wherever it goes.
  bool can_return() const { return static_cast<bool>(home_); }
  // To be called once, by who can return. 0 or -errno.
  int enter(int ns);

 private:
  unique_fd home_;
  bool is_away_ = false;
};

}  // namespace nacelle
