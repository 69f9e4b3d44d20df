#pragma once

#include <string>
#include <vector>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "listeners.h"

// A newer shim takes over from the one that keeps a detached container, in the same process: pid, children, locks and sockets stay.
//
//   the shim before                                     the newer one
//   kUpgrade: version, executable
//   waits for a moment in which nothing is under way
//   writes what it knows to a sealed memfd
//   execve ──────────────────────────────────────────▶  reads that, and goes on; tells kUpgraded
//   goes on, and tells kUpgraded why not  ◀── execve ──  can't go on
//
// How the other is executed never changes: argv[0] is one of the names below, argv[1] the number of the memfd, argv[2] for the way back the
// errno of what failed.
namespace nacelle {

constexpr char kTakeOverName[] = "nacelle-take-over", kTakeBackName[] = "nacelle-take-back";

// Under this name the executable tells its version, a line, and its table: whoever asks for an upgrade makes sure that the file is a whole
// shim, for the way back is there only once it runs.
constexpr char kDescribeName[] = "nacelle-describe";

class Supervisor;

class Upgrade {
 public:
  explicit Upgrade(Supervisor& supervisor) : supervisor_(supervisor) {}

  // A client asks for it, and hears why there is none, or hears the newer shim.
  void ask(const Listener& asker, Message& message);
  // The client is gone, which changes nothing but that nobody is told.
  void forget(const Client& client);

 private:
  void refuse(int error, const char* why);
  void try_now();
  int hand_over();

  Supervisor& supervisor_;
  Listener asker_;
  bool is_asked_ = false;
  unique_fd executable_;
  uint64_t deadline_ns_ = 0;
  Timer next_;
};

// What main() does under the names above. Gives the status with which the process ends.
int take_over(const char* state, const char* error);
int describe();

}  // namespace nacelle
