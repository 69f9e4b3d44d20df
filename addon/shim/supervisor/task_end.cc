#include <fcntl.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "../kernel/file_io.h"
#include "supervisor.h"
#include "task.h"

// The part of Task from the end of its last process until nothing is left of it.
namespace nacelle {

void Task::finish() {
  const Reserve::Loan loan(supervisor_.reserve());
  state_ = State::kEnding;
  stop_clocks();
  close_channel();
  forget_failed_run();
  if (plan_.has_again) close_given();
  trace_.end(mark_);
  if (run_.has_exit) {
    const Span span(context_.trace, kInEnd, 1);
    run_.reports = read_reports(plan_.reports, slots_, std::move(report_files_));
  }
  const bool has_little = !mounts_ || has_left_little();
  // whoever hears of the end may start the next program, which wants the memory
  if (has_little && !(mounts_ && supervisor_.closers().are_behind())) tell_end_first();
  if (has_little) return finish_undoing();
  close_mounts([this] { finish_undoing(); });
}

// Node makes the result, which may be there before the groups are removed. What can't be undone is told later.
void Task::tell_end_first() {
  if (!plan_.tells_end_first || !run_.has_exit || has_failed_ || !told_started_ || plan_.is_kept || plan_.has_again) return;
  listeners_.tell(over_event(end()));
  is_end_told_ = true;
}

// Memory that is given back later than its program's end would be missing to whoever starts the next one.
bool Task::has_left_little() const {
  const LaterMounts& later = plan_.later_mounts;
  for (size_t i = 0; i < later.count; ++i) {
    if (later.reports[i] >= run_.reports.size()) return false;
    const Report& report = run_.reports[later.reports[i]];
    // a kernel may count memory alone
    if (i > 0 && !report.whole) continue;
    char* end = nullptr;
    const uint64_t left = std::strtoull(report.content.c_str(), &end, 10);
    if (!report.whole || end == report.content.c_str() || left > later.most) return false;
  }
  return true;
}

// What frees much memory takes its time, but the end does not wait for ever: the closing goes on without it.
void Task::close_mounts(std::function<void()> closed) {
  const uint64_t patience = run_.cause == Cause::kNone ? kDeathPatience : kPatience;
  supervisor_.closers().close(std::move(mounts_), patience, std::move(closed));
}

void Task::finish_undoing() {
  const Reserve::Loan loan(supervisor_.reserve());
  undo_ = HostSteps(plan_.undo, kInUndo);
  if (!undo_failures_.empty()) undo_.leave_in_use();
  deadline_ns_ = monotonic_ns() + kPatience;
  undo();
}

void Task::stop_clocks() {
  clocks_.stop();
  set_up_clock_.stop();
  force_kill_.stop();
  retry_.stop();
  health_.stop();
}

void Task::undo() {
  const Reserve::Loan loan(supervisor_.reserve());
  for (;;) {
    StepFailure failure;
    switch (undo_.run(context_, monotonic_ns() >= deadline_ns_, failure)) {
      case HostSteps::Outcome::kBusy:
        retry_.start(supervisor_.loop(), monotonic_ns() + kMillisecond / 2, [this] { undo(); });
        return;
      case HostSteps::Outcome::kFailed:
        undo_failures_.push_back(std::move(failure));
        undo_.skip();
        break;
      case HostSteps::Outcome::kApart:
        return supervisor_.watch_process(undo_.apart(), this);
      case HostSteps::Outcome::kDone:
        if (plan_.is_kept && !stays() && !is_removing_) {
          // nobody gets a container that could not be made or started
          is_removing_ = true;
          undo_ = HostSteps(plan_.removal, kInRemoval);
          break;
        }
        return is_removing_ && stays() ? removed() : ended();
    }
  }
}

void Task::undo_step_ended() {
  StepFailure failure;
  if (undo_.take_end(failure) == HostSteps::Outcome::kFailed) {
    undo_failures_.push_back(std::move(failure));
    undo_.skip();
  }
  deadline_ns_ = monotonic_ns() + kPatience;  // the time that this step took does not count for the next one
  undo();
}

End Task::end() const {
  const bool never_began = has_failed_ && !told_started_;
  return {failure(),  undo_failures_, run_failures_, never_began, run_.program_status,      run_.cause,
          run_.times, run_.usage,     run_.reports,  before_,     context_.pump.failures(), run_.violation};
}

Message Task::end_message() {
  if (!undo_failures_.empty()) supervisor_.keep_journal();
  return is_end_told_ ? undone_event(undo_failures_) : end_event(end());
}

// The evidence is on disk before anybody hears of the end, unless the container goes with its end.
void Task::ended() {
  // many that have left little hold much together
  if (mounts_ && supervisor_.closers().are_behind()) return close_mounts([this] { ended(); });
  notice_program_end();
  tell_trace();
  if (!stays()) {
    // whoever hears of the end of what ran no program may want what the slots held: a port, which another one gets then
    if (plan_.stages.count == 0) close_slots();
    Message end = end_message();
    if (is_kept()) notice(NoticeKind::kEnded, end.body);
    if (is_kept()) notice(NoticeKind::kRemoved);
    listeners_.tell(std::move(end));
    if (mounts_) supervisor_.closers().close(std::move(mounts_));
    return gone();
  }
  end_ = end_message();
  if (!plan_.auto_remove && !write_evidence(end_.body)) end_ = end_message();
  state_ = State::kKept;
  notice(NoticeKind::kEnded, end_.body);
  for (const std::string& words : last_words_) notice(NoticeKind::kTold, words);
  last_words_.clear();
  Message copy;
  copy.type = end_.type;
  copy.body = end_.body;
  listeners_.tell(std::move(copy));
  if (plan_.auto_remove || is_closing_) remove_kept();
}

// What is done later, such as the removal, is in no trace.
void Task::tell_trace() {
  if (!trace_.is_on()) return;
  listeners_.tell(traced_event(trace_));
  context_.trace = nullptr;
  trace_.stop();
}

// Whoever attaches when this shim is gone judges the end by this file. It is in memory (the runtime folder), so the write does not wait.
bool Task::write_evidence(const std::string& end) {
  const std::string name = plan_.evidence.path.text;
  const std::string unfinished = name + ".new";
  const int folder = slots_.get(plan_.evidence.at);
  const unique_fd file(openat(folder, unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  int result = file ? write_all(file.get(), end.data(), end.size()) : -errno;
  if (result == 0 && renameat(folder, unfinished.c_str(), folder, name.c_str()) < 0) result = -errno;
  if (result < 0) undo_failures_.push_back({kInEnd, 0, -result, "write down the end"});
  return result == 0;
}

// Node asked for the removal, or the plan did.
void Task::remove_kept() {
  is_removing_ = true;
  state_ = State::kEnding;
  undo_failures_.clear();
  undo_ = HostSteps(plan_.removal, kInRemoval);
  deadline_ns_ = monotonic_ns() + kPatience;
  undo();
}

void Task::removed() {
  // whoever hears of the removal may want what the slots held: a volume, or the layers of an image
  close_slots();
  if (!undo_failures_.empty()) supervisor_.keep_journal();
  notice(NoticeKind::kRemoved);
  listeners_.tell(removed_event(undo_failures_));
  gone();
}

void Task::close_slots() {
  for (size_t slot = 0; slot < slots_.size(); ++slot) slots_.close(static_cast<int32_t>(slot));
}

void Task::gone() {
  if (when_ended_) std::exchange(when_ended_, {})(*this);
  state_ = State::kGone;
  listeners_.forget();
  supervisor_.remove(this);
}

}  // namespace nacelle
