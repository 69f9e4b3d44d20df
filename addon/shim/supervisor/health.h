#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../wire/plan.h"
#include "../wire/protocol.h"
#include "../wire/slots.h"
#include "../wire/wire.h"

namespace nacelle {

class Found;
class Saved;
class Supervisor;
class Task;

// Keeps watch on a program by running a check beside it, as docker does: each check is a task of its own, with nobody to hear of it but
// this object.
//
//   starting ──a check succeeds──▶ healthy ◀──a check succeeds──┐
//      └──`retries` failures in a row──▶ unhealthy ◀────────────┴──▶
class Health {
 public:
  explicit Health(Supervisor& supervisor) : supervisor_(supervisor) {}
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;
  ~Health() { stop(); }

  // Begins to check a program that runs now; `told` hears of each change. The check and the slots must live until stop().
  void start(const HealthCheck& check, const Slots& slots, int pidfd, std::function<void()> told);
  // The program has ended: a check that runs is of no interest any more.
  void stop();
  // A check that runs is left out: the next one comes in its time.
  void skip();
  HealthStatus status() const { return status_; }
  // No check runs just now.
  bool is_settled() const { return task_ == nullptr; }
  void save(Saved& to) const;
  // What another shim has saved, and then its watch on a program that runs on.
  void find(const Found& found);
  void go_on(const HealthCheck& check, const Slots& slots, int pidfd, std::function<void()> told);
  // Writes the status, the failures in a row and the last results.
  void write(Writer& writer) const;

 private:
  struct Result {
    uint64_t started_real_ns = 0, ended_real_ns = 0;
    int32_t code = 0;  // the exit status; -1: the check could not be run, or took too long
    std::string output;
  };

  void watch(const HealthCheck& check, const Slots& slots, int pidfd, std::function<void()> told);
  void wait();
  void check();
  void read_output();
  void checked(const Task& task);
  void note(Result result);
  bool is_frozen() const;
  bool is_young() const;

  Supervisor& supervisor_;
  const HealthCheck* check_ = nullptr;
  const Slots* slots_ = nullptr;
  std::function<void()> told_;
  unique_fd pidfd_, output_;
  Watch output_watch_;
  Timer next_;
  Task* task_ = nullptr;  // the check that runs
  uint64_t program_started_ns_ = 0, found_next_ns_ = 0;
  Result running_;
  HealthStatus status_ = HealthStatus::kStarting;
  uint32_t streak_ = 0;
  std::deque<Result> results_;
};

}  // namespace nacelle
