#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "unique_fd.h"

// One epoll loop and one timer: everything that the shim waits for.
namespace nacelle {

constexpr uint64_t kMillisecond = 1'000'000;  // in ns

uint64_t monotonic_ns();
uint64_t realtime_ns();

// Calls a function when a descriptor is ready, until it is stopped or destroyed.
class Watch {
 public:
  using Ready = std::function<void(uint32_t events)>;
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { stop(); }

  int start(class Loop& loop, int fd, uint32_t events, Ready ready);
  int change(uint32_t events);
  void stop();
  void call(uint32_t events) { ready_(events); }

 private:
  class Loop* loop_ = nullptr;
  int fd_ = -1;
  Ready ready_;
};

// Calls a function once, at a time of the monotonic clock.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { stop(); }

  void start(class Loop& loop, uint64_t at_ns, std::function<void()> due);
  void stop();
  bool running() const { return loop_ != nullptr; }
  // 0 when the timer does not run.
  uint64_t at() const { return running() ? at_ns_ : 0; }

 private:
  friend class Loop;
  class Loop* loop_ = nullptr;
  uint64_t at_ns_ = 0;
  std::function<void()> due_;
};

class Loop {
 public:
  int open();
  // Runs until stop() is called. 0 or -errno.
  int run();
  void stop() { stopped_ = true; }
  // Calls a function whenever nothing has happened for a while.
  void when_idle(std::function<void()> idle) { idle_ = std::move(idle); }
  // While a Watch is called: whether nothing else was ready in this round.
  bool alone() const { return ready_ == 1; }
  // Runs `work` when the current round of events is over: the place to delete an object that is being called.
  void later(std::function<void()> work) { later_.push_back(std::move(work)); }

 private:
  friend class Watch;
  friend class Timer;
  void arm();
  void fire_timers();
  void run_later();

  unique_fd epoll_, timer_;
  bool stopped_ = false;
  int ready_ = 0;
  // Whether the kernel wakes this loop when the first timer is due.
  bool armed_ = true;
  std::set<std::pair<uint64_t, Timer*>> timers_;
  std::set<Watch*> watches_;
  std::vector<std::function<void()>> later_;
  std::function<void()> idle_;
};

}  // namespace nacelle
