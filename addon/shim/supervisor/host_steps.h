#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "../steps/context.h"
#include "../steps/ops.h"
#include "../wire/protocol.h"
#include "../wire/wire.h"

namespace nacelle {

constexpr uint64_t kStopPatience = 10'000'000'000;    // ns, for a program that was asked to end, as docker gives it
constexpr uint64_t kAnswerPatience = 60'000'000'000;  // ns, for processes beside the shim that are to go by something else
constexpr uint64_t kDeathPatience = 60'000'000'000;   // ns, for killed processes, and mounts: what waits for a disk or frees much memory
constexpr uint64_t kPatience = 5'000'000'000;         // ns, for a control group whose last process is still dying, and a lock

struct StepFailure {
  int32_t where = kInPrepare;
  uint32_t index = 0;
  int error = 0;  // positive, as errno
  std::string text;
};

// Steps that the shim runs itself. `kill_group` and `remove_group` may find processes that are still dying, `leave_bridge` and
// `leave_settings` a lock that another process has for a moment, `change_egress` processes that have still to answer: run() then says
// kBusy, and goes on at that step when called again. What may take long (`remove_tree`) is done by a process of its own: run() says kApart,
// and is called again when take_end() was told how that process ended.
class HostSteps {
 public:
  enum class Outcome { kDone, kBusy, kApart, kFailed };

  HostSteps() = default;
  // `index`: the place of the first of these steps in the list that Node knows.
  HostSteps(Reader steps, int32_t where, uint32_t index = 0) : left_(steps), where_(where), index_(index) {}

  // Stops at the first failure. `last_try`: what is busy is a failure.
  Outcome run(Context& context, bool last_try, StepFailure& failure);
  // Processes that can't be ended may still use what these steps would remove: trees, and the records by which the next reap finds them,
  // stay.
  void leave_in_use() { has_failed_ = true; }
  // Goes past the step that failed, so that run() continues behind it.
  void skip();
  // The process that does the step at hand, 0 when there is none.
  pid_t apart() const { return apart_; }
  // Reaps that process, which has ended. kDone: its step is done, and run() goes on behind it.
  Outcome take_end(StepFailure& failure);
  uint32_t index() const { return index_; }
  // For how long the step that was busy is to be tried, since the steps began.
  uint64_t patience() const { return patience_; }

 private:
  bool next(Reader& ahead, StepHead& head);
  void pass(const Reader& ahead);
  void enter(const Context& context, const args::run_steps& step);

  Reader left_;
  std::vector<KeptList> kept_;  // what is left of the lists that the step at hand stands for (`run_steps`), the first one last
  int32_t where_ = kInPrepare;
  uint32_t index_ = 0;
  pid_t apart_ = 0;
  bool has_failed_ = false, was_busy_ = false;
  uint64_t patience_ = kPatience;
};

}  // namespace nacelle
