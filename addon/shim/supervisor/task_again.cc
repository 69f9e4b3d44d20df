#include <sys/wait.h>

#include <algorithm>

#include "supervisor.h"
#include "task.h"

// The part of Task between the end of one run of its program and the next run, and what is known of the runs.
namespace nacelle {

// Whether another run follows the end that the program has come to.
bool Task::comes_again() const {
  const Again& again = plan_.again;
  if (!plan_.has_again || is_closing_ || has_failed_ || !run_.has_exit || !run_.executing) return false;
  // nobody copies the output of another run
  if (!context_.pump.failures().empty()) return false;
  if (is_again_asked_) return true;
  if (is_stopped_ || again.on == RestartOn::kNever) return false;
  const bool failed = !WIFEXITED(run_.program_status) || WEXITSTATUS(run_.program_status) != 0;
  if (again.on == RestartOn::kFailure && !failed) return false;
  return again.most == 0 || retries_ < again.most;
}

// The container's groups stay for the next run, which counts on in them.
void Task::end_run() {
  const Reserve::Loan loan(supervisor_.reserve());
  const Again& again = plan_.again;
  state_ = State::kBetween;
  stop_clocks();
  close_channel();
  run_.reports = read_reports(plan_.reports, slots_);
  const bool lasted = run_.times.ended_ns - run_.times.started_ns >= again.lasting_ns;
  delay_ns_ = delay_ns_ == 0 || lasted || is_again_asked_ ? again.first_ns : std::min(2 * delay_ns_, again.longest_ns);
  const uint64_t delay = is_again_asked_ ? 0 : delay_ns_;
  Message died = died_event(end(), delay);
  if (is_kept()) notice(NoticeKind::kEnded, died.body);
  listeners_.tell(std::move(died));
  next_run_.start(supervisor_.loop(), monotonic_ns() + delay, [this] { run_again(); });
}

void Task::run_again() {
  retries_ = is_again_asked_ ? 0 : retries_ + 1;
  is_again_asked_ = false;
  is_stopped_ = false;
  ++restarts_;
  last_run_ = std::move(run_);
  run_ = Run{};
  before_ = last_run_.reports;
  plan_.stages = plan_.again.stages;
  first_index_ = 0;
  context_.words_alone = false;
  // Node has the outputs of the first run, and gets no others
  context_.outputs = nullptr;
  HostSteps prepare(plan_.again.prepare, kInPrepareAgain);
  StepFailure failure;
  if (prepare.run(context_, true, failure) != HostSteps::Outcome::kDone) return fail(std::move(failure));
  start_first_stage();
}

// A run that could not be started is none: the one before was the last, and the failure is told with its end.
void Task::forget_failed_run() {
  if (!has_failed_ || restarts_ == 0) return;
  has_failed_ = false;
  run_failures_.push_back(std::move(failure_));
  run_ = std::move(last_run_);
}

void Task::again(const Message& message) {
  Reader reader(message.body.data(), message.body.size());
  const auto signal = static_cast<int>(reader.u32());
  const uint64_t patience_ns = reader.num();
  // the log or the pump of a run that is the last one has been told to end
  if (!reader.ok() || !plan_.has_again || is_closing_ || run_.is_draining) return;
  // a run that is being set up is the next one already: its start answers
  if (state_ == State::kBetween) {
    next_run_.stop();
    is_again_asked_ = true;
    run_again();
  } else if (run_.executing && (state_ == State::kSetUp || state_ == State::kRunning)) {
    blame(Cause::kCaller);
    notice_kill(signal);
    end_for_next_run(signal, patience_ns);
  }
}

// The clock stops with the run: a SIGKILL must not come to the next one.
void Task::end_for_next_run(int signal, uint64_t patience_ns) {
  is_again_asked_ = true;
  signal_first(signal);
  force_kill_.start(supervisor_.loop(), monotonic_ns() + patience_ns, [this] { signal_tree(); });
}

void Task::want_no_other_run() {
  is_again_asked_ = false;
  is_stopped_ = true;
}

// The task ends instead of running again.
void Task::stay_ended() {
  next_run_.stop();
  want_no_other_run();
  finish_when_empty();
}

void Task::watch_health() {
  if (!plan_.has_health) return;
  health_.start(plan_.health, slots_, run_.first_pidfd.get(), [this] { health_changed(); });
}

void Task::health_changed() {
  notice_health();
  Message message;
  message.type = static_cast<uint16_t>(Event::kHealth);
  Writer(message.body).u8(static_cast<uint8_t>(health_.status()));
  listeners_.tell(std::move(message));
  if (health_.status() != HealthStatus::kUnhealthy || plan_.health.then == HealthThen::kNone) return;
  blame(Cause::kHealth);
  if (plan_.health.then == HealthThen::kKill) return signal_tree();
  end_for_next_run(plan_.again.stop_signal, kStopPatience);
}

// How often the program was started again; then 1 and the health, or 0 where nobody keeps watch on the health.
void Task::status(const Listener& caller, const Message& message) {
  const uint32_t sequence = Reader(message.body.data(), message.body.size()).u32();
  std::string told, outputs;
  Writer writer(told);
  writer.u32(restarts_).u8(plan_.has_health ? 1 : 0);
  if (plan_.has_health) health_.write(writer);
  writer.num(run_.times.started_real_ns);
  Writer(outputs).bytes(told.data(), told.size());
  const std::vector<int32_t> none;
  Message reply;
  if (called_event(sequence, Results{1, outputs, slots_, none}, reply) == 0) listeners_.answer(caller, std::move(reply));
}

}  // namespace nacelle
