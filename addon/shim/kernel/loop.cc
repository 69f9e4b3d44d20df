#include "loop.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <cerrno>
#include <ctime>

namespace nacelle {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
// How long nothing happens until idle work is done, and until a timer is looked at that could not be set.
constexpr int kIdleMs = 100;

uint64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecond + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

uint64_t monotonic_ns() { return read_clock(CLOCK_MONOTONIC); }
uint64_t realtime_ns() { return read_clock(CLOCK_REALTIME); }

int Watch::start(Loop& loop, int fd, uint32_t events, Ready ready) {
  stop();
  epoll_event event{};
  event.events = events;
  event.data.ptr = this;
  if (epoll_ctl(loop.epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return -errno;
  loop_ = &loop;
  fd_ = fd;
  ready_ = std::move(ready);
  loop.watches_.insert(this);
  return 0;
}

int Watch::change(uint32_t events) {
  if (loop_ == nullptr) return -EBADF;
  epoll_event event{};
  event.events = events;
  event.data.ptr = this;
  return epoll_ctl(loop_->epoll_.get(), EPOLL_CTL_MOD, fd_, &event) < 0 ? -errno : 0;
}

void Watch::stop() {
  if (loop_ == nullptr) return;
  epoll_ctl(loop_->epoll_.get(), EPOLL_CTL_DEL, fd_, nullptr);
  loop_->watches_.erase(this);
  loop_ = nullptr;
}

void Timer::start(Loop& loop, uint64_t at_ns, std::function<void()> due) {
  stop();
  loop_ = &loop;
  at_ns_ = at_ns;
  due_ = std::move(due);
  loop.timers_.emplace(at_ns, this);
  loop.arm();
}

void Timer::stop() {
  if (loop_ == nullptr) return;
  loop_->timers_.erase({at_ns_, this});
  loop_ = nullptr;
}

int Loop::open() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return -errno;
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) return -errno;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event) < 0 ? -errno : 0;
}

void Loop::arm() {
  if (timers_.empty()) return;  // a timer that fires for nothing costs less than disarming it each time
  const uint64_t at = timers_.begin()->first;
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(at / kSecond);
  when.it_value.tv_nsec = static_cast<long>(at % kSecond);
  if (at == 0) when.it_value.tv_nsec = 1;
  armed_ = timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr) == 0;
}

void Loop::fire_timers() {
  uint64_t expirations = 0;
  // this fails with EAGAIN when the timer was set anew meanwhile
  static_cast<void>(!read(timer_.get(), &expirations, sizeof expirations));
  const uint64_t now = monotonic_ns();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Timer* timer = timers_.begin()->second;
    timer->stop();
    const std::function<void()> due = std::move(timer->due_);
    due();
  }
  arm();
}

void Loop::run_later() {
  while (!later_.empty()) {
    std::vector<std::function<void()>> work;
    work.swap(later_);
    for (const auto& item : work) item();
  }
}

int Loop::run() {
  epoll_event events[64];
  for (bool rests = !idle_; !stopped_;) {
    const int count = epoll_wait(epoll_.get(), events, 64, rests && armed_ ? -1 : kIdleMs);
    if (count < 0 && errno != EINTR) return -errno;
    ready_ = count;
    if (!armed_) fire_timers();
    if (count == 0 && idle_) idle_();
    rests = count == 0 || !idle_;
    for (int i = 0; i < count; ++i) {
      auto* watch = static_cast<Watch*>(events[i].data.ptr);
      if (watch == nullptr) {
        fire_timers();
      } else if (watches_.count(watch) > 0) {  // the watch may have been stopped in this round
        watch->call(events[i].events);
      }
    }
    run_later();
  }
  return 0;
}

}  // namespace nacelle
