#include "health.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "../wire/saved.h"
#include "supervisor.h"
#include "task.h"

namespace nacelle {
namespace {

constexpr size_t kMostResults = 5;
constexpr size_t kMostOutput = 4096;  // bytes of a result
constexpr unsigned kMostReads = 16;   // at a time, so that a check that floods its output delays no other task

}  // namespace

void Health::start(const HealthCheck& check, const Slots& slots, int pidfd, std::function<void()> told) {
  stop();
  watch(check, slots, pidfd, std::move(told));
  program_started_ns_ = monotonic_ns();
  status_ = HealthStatus::kStarting;
  streak_ = 0;
  wait();
}

void Health::watch(const HealthCheck& check, const Slots& slots, int pidfd, std::function<void()> told) {
  check_ = &check;
  slots_ = &slots;
  told_ = std::move(told);
  pidfd_.reset(fcntl(pidfd, F_DUPFD_CLOEXEC, 3));
}

void Health::stop() {
  next_.stop();
  output_watch_.stop();
  output_.reset();
  pidfd_.reset();
  Task* task = task_;
  task_ = nullptr;
  if (task == nullptr) return;
  task->when_ended({});
  task->close();
}

void Health::skip() {
  Task* task = std::exchange(task_, nullptr);
  if (task == nullptr) return;
  output_watch_.stop();
  output_.reset();
  task->when_ended({});
  task->close();
  wait();
}

// Whether the program may still be starting.
bool Health::is_young() const {
  return status_ == HealthStatus::kStarting && monotonic_ns() - program_started_ns_ < check_->start_period_ns;
}

void Health::wait() {
  const uint64_t pause = is_young() ? check_->start_interval_ns : check_->interval_ns;
  next_.start(supervisor_.loop(), monotonic_ns() + pause, [this] { check(); });
}

// A program that stands still can't answer.
bool Health::is_frozen() const {
  if (check_->frozen.path.empty()) return false;
  const unique_fd file(openat(slots_->get(check_->frozen.at), check_->frozen.path.text, O_RDONLY | O_CLOEXEC));
  char word = 0;
  return file && read(file.get(), &word, 1) == 1 && (word == '1' || word == 'F');
}

void Health::check() {
  if (is_frozen()) return wait();
  running_ = Result{};
  running_.started_real_ns = realtime_ns();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return note({running_.started_real_ns, realtime_ns(), -1, std::strerror(errno)});
  output_.reset(ends[0]);
  unique_fd theirs(ends[1]);
  // the check writes as to any pipe: only this end must not wait
  fcntl(theirs.get(), F_SETFL, 0);
  static_cast<void>(output_watch_.start(supervisor_.loop(), output_.get(), EPOLLIN, [this](uint32_t) { read_output(); }));
  Message message;
  message.body.assign(check_->plan.data, check_->plan.size);
  message.fds.emplace_back(fcntl(pidfd_.get(), F_DUPFD_CLOEXEC, 3));
  message.fds.emplace_back(fcntl(theirs.get(), F_DUPFD_CLOEXEC, 3));
  message.fds.push_back(std::move(theirs));
  task_ = supervisor_.new_task({});
  task_->when_ended([this](const Task& task) { checked(task); });
  task_->start(message, {}, false);
}

// Keeps the beginning of the output, and takes the rest away.
void Health::read_output() {
  char bytes[4096];
  for (unsigned turn = 0; turn < kMostReads; ++turn) {
    const ssize_t size = read(output_.get(), bytes, sizeof bytes);
    if (size <= 0) {
      if (size == 0 || errno != EAGAIN) output_watch_.stop();
      return;
    }
    const size_t room = kMostOutput - running_.output.size();
    running_.output.append(bytes, std::min(room, static_cast<size_t>(size)));
  }
}

void Health::checked(const Task& task) {
  task_ = nullptr;
  read_output();
  output_watch_.stop();
  output_.reset();
  // a check that was frozen with the program says nothing of the program
  if (is_frozen()) return wait();
  running_.ended_real_ns = realtime_ns();
  const int status = task.exit_status();
  running_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (task.failure() != nullptr) {
    running_.code = -1;
    const StepFailure& failure = *task.failure();
    running_.output = failure.text.empty() ? std::strerror(failure.error) : std::strerror(failure.error) + (": " + failure.text);
  } else if (task.cause() == Cause::kWallTime) {
    running_.code = -1;
    running_.output.insert(0, "the check took too long: ");
  }
  note(std::move(running_));
}

void Health::note(Result result) {
  const bool succeeded = result.code == 0;
  const HealthStatus before = status_;
  const bool counts = !is_young();
  results_.push_back(std::move(result));
  if (results_.size() > kMostResults) results_.pop_front();
  if (succeeded) {
    streak_ = 0;
    status_ = HealthStatus::kHealthy;
  } else if (counts && ++streak_ >= check_->retries) {
    status_ = HealthStatus::kUnhealthy;
  }
  wait();
  if (status_ != before) told_();
}

void Health::save(Saved& to) const {
  to.number("started", program_started_ns_).number("status", static_cast<uint64_t>(status_)).number("streak", streak_);
  to.number("next", next_.at());
  for (const Result& result : results_) {
    Saved item = to.inner();
    item.number("started", result.started_real_ns).number("ended", result.ended_real_ns);
    to.add("results", item.number("code", static_cast<uint32_t>(result.code)).text("output", result.output));
  }
}

void Health::find(const Found& found) {
  program_started_ns_ = found.number("started");
  found_next_ns_ = found.number("next");
  status_ = static_cast<HealthStatus>(std::min<uint64_t>(found.number("status"), static_cast<uint64_t>(HealthStatus::kUnhealthy)));
  streak_ = static_cast<uint32_t>(found.number("streak"));
  for (const Found& item : found.list("results")) {
    results_.push_back({item.number("started"), item.number("ended"), static_cast<int32_t>(item.number("code")), item.text("output")});
  }
}

void Health::go_on(const HealthCheck& check, const Slots& slots, int pidfd, std::function<void()> told) {
  watch(check, slots, pidfd, std::move(told));
  next_.start(supervisor_.loop(), found_next_ns_, [this] { this->check(); });
}

void Health::write(Writer& writer) const {
  writer.u8(static_cast<uint8_t>(status_)).u32(streak_).u32(static_cast<uint32_t>(results_.size()));
  for (const Result& result : results_) {
    writer.num(result.started_real_ns).num(result.ended_real_ns).i32(result.code);
    writer.bytes(result.output.data(), result.output.size());
  }
}

}  // namespace nacelle
