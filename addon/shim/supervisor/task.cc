#include "task.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>

#include "../kernel/groups.h"
#include "../kernel/syscalls.h"
#include "supervisor.h"

namespace nacelle {
namespace {

constexpr uint64_t kLongestPause = 20 * kMillisecond;

}  // namespace

Task::Task(Supervisor& supervisor, const Listener& starter, uint32_t key)
    : supervisor_(supervisor),
      key_(key),
      context_(slots_),
      health_(supervisor),
      calls_(
          supervisor.loop(), context_, [this](const Listener& to, Message message) { listeners_.answer(to, std::move(message)); },
          [this](pid_t pid) { supervisor_.watch_process(pid, this); }) {
  context_.executable = supervisor.executable();
  context_.names = &supervisor.names();
  context_.relay = &supervisor.relay();
  context_.relays_inside = &supervisor.relays_inside();
  context_.pasta = &supervisor.pasta();
  context_.served_id = key;
  if (starter.client != nullptr) listeners_.add(starter);
}

void Task::start(Message& message, std::vector<unique_fd> ahead, bool later) {
  slots_.reserve(kMaxSlots);
  if (take(body_, message, std::move(ahead)) && fill_and_prepare() && !later) go();
}

void Task::go() {
  if (state_ != State::kWaiting || has_failed_) return;
  if (plan_.stages.count > 0) return start_first_stage();
  state_ = State::kHolding;
  send_started(false);
}

// Keeps the plan and the descriptors of a message until fill_and_prepare() uses them.
bool Task::take(Secret& body, Message& message, std::vector<unique_fd> ahead) {
  const uint64_t began_ns = monotonic_ns();
  if (message.cut) return fail({kInPlan, 0, EMFILE, "take the descriptors"}), false;
  const int taken = body.take(message.body);
  if (taken < 0) return fail({kInPlan, 0, -taken, "keep the plan"}), false;
  Plan plan;
  // a rest that can't be read must not replace the plan, which has the undo steps of the first part
  if (!parse_plan(body.data(), body.size(), plan)) return fail({kInPlan, 0, EPROTO, "the plan can't be read"}), false;
  if (plan.is_traced) {
    const int traced = trace_.start();
    if (traced < 0) return fail({kInPlan, 0, -traced, "keep a trace"}), false;
    context_.trace = &trace_;
    trace_.note(kInPlan, began_ns);
  }
  next_plan_ = plan;
  next_fds_ = std::move(ahead);
  for (unique_fd& fd : message.fds) next_fds_.push_back(std::move(fd));
  return true;
}

bool Task::fill_and_prepare() {
  plan_ = next_plan_;
  if (plan_.slot_count > slots_.size()) slots_.resize(plan_.slot_count);
  const std::vector<int32_t> given = numbers(plan_.slots);
  std::vector<unique_fd> none;
  const int filled = fill_slots(slots_, given, std::move(next_fds_), none);
  if (filled < 0) return fail({kInPlan, 0, -filled, "descriptors are missing"}), false;
  given_.insert(given_.end(), given.begin(), given.end());
  context_.outputs = &outputs_;
  HostSteps prepare(plan_.prepare, kInPrepare, prepared_);
  StepFailure failure;
  const HostSteps::Outcome outcome = prepare.run(context_, true, failure);
  watch_pump();
  if (outcome != HostSteps::Outcome::kDone) return fail(std::move(failure)), false;
  prepared_ = prepare.index();
  return true;
}

// The first failure is the one that is reported; everything that was made is undone.
void Task::fail(StepFailure failure) {
  if (restarts_ > 0 && failure.where >= 0) failure.where += kInStagesAgain;
  if (!has_failed_) failure_ = std::move(failure);
  has_failed_ = true;
  signal_tree();
  finish_when_empty();
}

// --- kills -----------------------------------------------------------------------------------------------------------

void Task::end_by_clock(Cause cause) {
  blame(cause);
  if (plan_.signal == SIGKILL) return signal_tree();
  signal_first(plan_.signal);
  force_kill_.start(supervisor_.loop(), monotonic_ns() + plan_.force_kill_after_ns, [this] { signal_tree(); });
}

// The first cause of a kill is kept. None is recorded when the process had ended before.
void Task::blame(Cause cause) {
  if (run_.executing) read_channel();
  pollfd process{run_.first_pidfd.get(), POLLIN, 0};  // poll(2) ignores a descriptor of -1
  const bool ended = run_.has_exit || poll(&process, 1, 0) > 0;
  if (run_.cause != Cause::kNone || ended) return;
  run_.cause = cause;
  run_.blamed_after_told = run_.program_told;
}

void Task::signal_tree() {
  if (run_.is_draining) hurry_pump();
  if (plan_.has_kill_group) {
    const Reserve::Loan loan(supervisor_.reserve());
    static_cast<void>(kill_group(slots_.get(plan_.kill_group.at), plan_.kill_group.path.text));  // the group may not exist yet
  }
  signal_first(SIGKILL);
}

void Task::signal_first(int signal) {
  if (run_.first_pidfd) static_cast<void>(sys_pidfd_send_signal(run_.first_pidfd.get(), signal));  // ESRCH: the process ended by itself
}

void Task::kill(const Listener& caller, Message& message) {
  Reader reader(message.body.data(), message.body.size());
  const uint32_t sequence = reader.u32();
  const auto cause = static_cast<Cause>(reader.u8());
  const auto signal = static_cast<int>(reader.u32());
  const bool tree = reader.u8() != 0;
  if (!reader.ok()) return;
  if (cause != Cause::kCaller || signal == SIGKILL || signal == plan_.again.stop_signal) want_no_other_run();
  if (state_ == State::kBetween) {
    listeners_.answer(caller, called_event(sequence));
    return is_stopped_ ? stay_ended() : void();
  }
  blame(cause);
  // the process of a next run that is being set up hears no other signal, and nobody wants its program any more
  const bool is_next = is_stopped_ && restarts_ > 0 && state_ == State::kSetUp && !run_.executing;
  if (is_next || (tree && signal == SIGKILL)) {
    signal_tree();
  } else {
    signal_first(signal);
    if (cause == Cause::kCancel || cause == Cause::kOutput) {
      force_kill_.start(supervisor_.loop(), monotonic_ns() + plan_.force_kill_after_ns, [this] { signal_tree(); });
    }
  }
  if (cause == Cause::kCaller) notice_kill(signal);
  listeners_.answer(caller, called_event(sequence));
}

void Task::close() {
  is_closing_ = true;
  if (state_ == State::kBetween) return stay_ended();
  if (state_ == State::kWaiting || state_ == State::kHolding) return finish_when_empty();
  if (state_ == State::kKept) return remove_kept();
  if (state_ == State::kEnding || state_ == State::kGone) return;
  blame(Cause::kCaller);
  signal_tree();
}

void Task::attach(const Listener& listener) {
  listeners_.add(listener);
  listeners_.answer(listener, attached_event(state(), run_.first, run_.times));
  if (state_ != State::kKept) return;
  Message end;
  end.type = end_.type;
  end.body = end_.body;
  listeners_.answer(listener, std::move(end));
}

void Task::leave(const Client& client) {
  listeners_.remove(client);
  if (!listeners_.empty() || is_kept() || (plan_.leaves_tree && told_started_)) return;
  // the supervisor looks first who waits to be let in, and has such a task end after its last client (Supervisor::remove)
  if (plan_.with_clients && told_started_) return;
  end_unheard();
}

bool Task::leave_last() {
  if (!plan_.with_clients) return false;
  end_unheard();
  return true;
}

void Task::end_unheard() {
  if (state_ == State::kWaiting || state_ == State::kHolding) return finish_when_empty();
  if (state_ == State::kEnding || state_ == State::kKept || state_ == State::kGone) return;
  want_no_other_run();
  if (state_ == State::kBetween) return stay_ended();
  blame(Cause::kOwner);
  signal_tree();
}

TaskState Task::state() const {
  switch (state_) {
    case State::kWaiting:
    case State::kSetUp:
    case State::kHolding:
      return TaskState::kSetUp;
    case State::kParked:
      return TaskState::kCreated;
    case State::kRunning:
      return TaskState::kRunning;
    case State::kBetween:
      return TaskState::kBetween;
    case State::kEnding:
      return is_removing_ ? TaskState::kEnded : TaskState::kEnding;
    case State::kKept:
    case State::kGone:
      return TaskState::kEnded;
  }
  return TaskState::kEnded;
}

// --- the pump --------------------------------------------------------------------------------------------------------

void Task::watch_pump() {
  Pump& pump = context_.pump;
  if (pump.pid() == 0) return;
  supervisor_.watch_process(pump.pid(), this);
  // without this watch the pump's failures are read at its end, a little later
  static_cast<void>(pump_watch_.start(supervisor_.loop(), pump.control(), EPOLLIN, [this](uint32_t) { pump_told(); }));
}

void Task::pump_told() {
  if (!context_.pump.read()) pump_watch_.stop();
  end_for_lost_copy();
}

// Kills a program one of whose copies has failed, since its work is of no use. One that does not run yet is killed once it does, because
// only then it has a result.
void Task::end_for_lost_copy() {
  if (context_.pump.failures().empty() || state_ != State::kRunning) return;
  blame(Cause::kCaller);
  signal_tree();
}

// No process of the tree writes any more, so the pump copies only what is left in the pipes.
bool Task::pump_is_done() {
  if (context_.pump.pid() == 0) return true;
  context_.pump.finish();
  run_.is_draining = true;
  // a file may never take what is left, so the wait has a limit, which is shorter after a kill
  const uint64_t patience = run_.cause == Cause::kNone ? kDeathPatience : kPatience;
  retry_.start(supervisor_.loop(), monotonic_ns() + patience, [this] { context_.pump.kill(); });
  return false;
}

// What had been written before the kill is copied still: a log on a busy machine takes its time for that.
void Task::hurry_pump() {
  const uint64_t latest = monotonic_ns() + kPatience;
  if (retry_.running() && retry_.at() <= latest) return;
  retry_.start(supervisor_.loop(), latest, [this] { context_.pump.kill(); });
}

// --- the end ---------------------------------------------------------------------------------------------------------

void Task::stranger_ended(const siginfo_t& info) {
  run_.stranger_signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
  read_channel();
}

void Task::process_ended(pid_t pid) {
  if (pid == undo_.apart()) return undo_step_ended();
  if (pid == context_.pump.pid()) {
    pump_watch_.stop();
    context_.pump.ended();
    end_for_lost_copy();
    return run_.has_exit || has_failed_ ? finish_when_empty() : void();
  }
  if (pid == denials_.pid()) return denials_ended();
  if (calls_.process_ended(pid)) return;
  read_channel();
  siginfo_t info{};
  struct rusage usage {};
  if (sys_waitid(P_PID, pid, &info, WEXITED | __WALL, &usage) < 0) info.si_code = CLD_EXITED;
  processes_.erase(pid);
  if (pid == run_.first) {
    run_.first_pidfd.reset();
    context_.process = 0;  // from now on another process may have this number
    // a stage that only made way for the next one ends with 0 and leaves the channel open
    const bool last =
        !channel_ || run_.executing || has_failed_ || run_.cause != Cause::kNone || info.si_code != CLD_EXITED || info.si_status != 0;
    if (last) {
      // the channel's end would tell that the program ran, but the stage before may still hold the channel
      if (run_.executing && state_ == State::kSetUp) began();
      run_.has_exit = true;
      trace_.end(mark_);
      mark_ = trace_.begin(kInEnd, 0);
      run_.usage = usage;
      take_status(info);
      take_violation();
    } else {
      limit_set_up(set_up_of_next());
    }
  }
  // a program that was never started has a run time of 0
  if (run_.has_exit && run_.times.started_ns == 0) {
    run_.times.started_ns = run_.times.ended_ns;
    run_.times.started_real_ns = realtime_ns();
  }
  const bool in_set_up = state_ == State::kSetUp || state_ == State::kParked;
  // a process that was handed out parked, and killed by somebody before it ran, has ended: its set-up has not failed
  const bool was_killed = told_started_ && WIFSIGNALED(run_.program_status);
  if (in_set_up && run_.has_exit && !was_killed && !has_failed_ && run_.cause == Cause::kNone) {
    has_failed_ = true;
    failure_ = died_in_set_up(info.si_code == CLD_EXITED ? 0 : info.si_status);
  }
  if (run_.has_exit || has_failed_) finish_when_empty();
}

// Init exits with its program's status, so its report is believed only when both agree. A forger of the report would have to end init too.
void Task::take_status(const siginfo_t& info) {
  const int told = WIFEXITED(run_.program_status) ? WEXITSTATUS(run_.program_status) : 128 + WTERMSIG(run_.program_status);
  if (run_.program_told && info.si_code == CLD_EXITED && info.si_status == told) {
    if (run_.blamed_after_told) run_.cause = Cause::kNone;
    return;
  }
  run_.times.ended_ns = monotonic_ns();
  run_.program_status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0) : info.si_status;
}

// Whether what the program has started lives on after it.
bool Task::leaves_others() const { return plan_.leaves_tree && run_.cause == Cause::kNone && !has_failed_; }

// 1 when a process of the tree lives, 0 when none does, or -errno when that can't be told.
int Task::tree_is_populated() {
  if (!processes_.empty()) return 1;
  if (!plan_.has_kill_group || leaves_others()) return 0;
  return is_populated(slots_.get(plan_.kill_group.at), plan_.kill_group.path.text);
}

// Finishes the task when all processes of its stages are reaped and nothing else of the tree lives.
void Task::finish_when_empty() {
  if (state_ == State::kEnding || state_ == State::kGone || next_run_.running()) return;
  if (!processes_.empty() && !(run_.has_exit || has_failed_)) return;
  const Reserve::Loan loan(supervisor_.reserve());
  const int left = tree_is_populated();
  if (left == 0 && !denials_are_done()) return;
  if (left == 0 && comes_again()) return end_run();
  if (left == 0) return pump_is_done() ? finish() : void();
  const uint64_t now = monotonic_ns();
  if (run_.tree_deadline_ns == 0) run_.tree_deadline_ns = now + kDeathPatience;
  if (now >= run_.tree_deadline_ns) return give_up_on_tree(left);
  signal_tree();
  retry_.start(supervisor_.loop(), now + run_.pause_ns, [this] { finish_when_empty(); });
  run_.pause_ns = std::min(2 * run_.pause_ns, kLongestPause);
}

// Reports that processes of the tree are left, whose groups stay for the next reap().
void Task::give_up_on_tree(int left) {
  context_.pump.kill();
  if (left > 0) {
    undo_failures_.push_back({kInEnd, 0, EBUSY, "they were killed and do not end"});
  } else {
    undo_failures_.push_back({kInEnd, 0, -left, ""});
  }
  finish();
}

void Task::send_started(bool running) {
  const std::vector<int32_t> returns = numbers(plan_.returns);
  const Results results{context_.output_count, outputs_, slots_, returns};
  Message message;
  const int result = started_event(running, run_.first, run_.times, told_started_ ? nullptr : &results, message);
  if (result < 0) return fail({kInPlan, 0, -result, "hand descriptors out"});
  notice_start(running);
  listeners_.tell(std::move(message));
  if (when_started_) std::exchange(when_started_, {})();
}

}  // namespace nacelle
