#include "network_visit.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <cstdlib>

namespace nacelle {

NetworkVisit::NetworkVisit() : home_(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
  // joining the namespace that it is in changes nothing, and asks for the same right
  if (home_ && setns(home_.get(), CLONE_NEWNET) < 0) home_.reset();
}

NetworkVisit::~NetworkVisit() {
  if (!is_away_) return;
  // memory may be short for a moment
  constexpr int kMostTries = 100;
  for (int tries = 0; tries < kMostTries; ++tries) {
    if (setns(home_.get(), CLONE_NEWNET) == 0) return;
  }
  abort();
}

int NetworkVisit::enter(int ns) {
  if (setns(ns, CLONE_NEWNET) < 0) return -errno;
  is_away_ = true;
  return 0;
}

}  // namespace nacelle
