#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "../child/child.h"
#include "../kernel/memfd.h"
#include "../kernel/syscalls.h"
#include "../steps/steps.h"
#include "../wire/channel.h"
#include "supervisor.h"
#include "task.h"

// The part of Task from the first clone until the program runs.
namespace nacelle {
namespace {

// The most messages that are read at a time, so that a process that floods its channel does not delay other tasks.
constexpr unsigned kMostMessages = 32;

}  // namespace

void Task::start_first_stage() {
  unique_fd theirs;
  // the plan that the first process reads: of one in two parts, the second part says how the program starts again
  Secret& body = restarts_ > 0 && has_rest_ ? rest_body_ : body_;
  int result = make_channel(channel_, theirs);
  if (result == 0 && context_.words_alone) result = refuse_descriptors(channel_.get());
  if (result < 0) return fail({kInClone, 0, -result, "make a channel"});
  int pidfd = -1;
  result = body.share(true);
  if (result == 0) result = trace_.share(true);
  if (result < 0) return fail({kInClone, 0, -result, "share the plan"});
  trace_.number_stages_from(restarts_ > 0 ? kInStagesAgain : 0);
  const size_t mark = trace_.begin(kInClone, 0);
  const pid_t pid = clone_stage(plan_.stages.items[0], slots_, 0, &pidfd);
  if (pid == 0) child_main(plan_.stages, 0, slots_, std::move(theirs), supervisor_.executable(), trace_);
  trace_.end(mark);
  result = body.share(false);
  if (result == 0) result = trace_.share(false);
  if (pid < 0) return fail({kInClone, 0, -pid, ""});
  new_process(pid, unique_fd(pidfd));
  state_ = State::kSetUp;
  context_.channel = channel_.get();
  if (result < 0) return fail({kInClone, 0, -result, "hide the plan"});
  result = channel_watch_.start(supervisor_.loop(), channel_.get(), EPOLLIN, [this](uint32_t) { read_channel(); });
  if (result < 0) return fail({kInClone, 0, -result, "watch the channel"});
  keep_watch(0);
}

// Whether the stage's process becomes a program, by its own steps or by those of a rest, and is in no group. A program may clear its
// parent-death signal. Whoever reaps finds it by its group; one without a group must end by another way.
bool Task::is_to_be_watched(uint32_t stage) const {
  if (plan_.has_kill_group || plan_.hands_over || stage >= plan_.stages.count) return false;
  return has_step(plan_.stages.items[stage].steps, Op::exec) || has_step(plan_.stages.items[stage].steps, Op::rest);
}

void Task::keep_watch(uint32_t stage) {
  is_watched_ = is_to_be_watched(stage);
  if (!is_watched_) return;
  const int result = supervisor_.keep_watch(run_.first_pidfd.get());
  if (result < 0) fail({kInClone, 0, -result, "have it end with the shim"});
}

// Notes the process of the newest stage.
void Task::new_process(pid_t pid, unique_fd pidfd) {
  run_.first = pid;
  context_.process = pid;
  run_.first_pidfd = std::move(pidfd);
  processes_.insert(pid);
  supervisor_.watch_process(pid, this);
}

void Task::read_channel() {
  for (unsigned turn = 0; channel_ && turn < kMostMessages; ++turn) {
    ChannelMessage message;
    unique_fd fds[kMaxChannelFds];
    size_t count = 0;
    int sender = 0;
    const int result = receive_message(channel_.get(), message, fds, count, sender);
    if (result == -EAGAIN) return;
    if (result <= 0) return channel_closed();
    heard(message, fds, count, sender);
  }
}

// The step that a message names; false when there is none.
bool Task::step_at(const ChannelMessage& message, StepHead& head) const {
  Reader steps = plan_.stages.items[message.stage].steps;
  const uint32_t first = first_index_of(message.stage);
  if (message.index < first) return false;
  for (uint32_t i = first; i < message.index; ++i) {
    if (!next_step(steps, head)) return false;
  }
  return next_step(steps, head);
}

// Whether the plan has the process send this message now. Whoever traces the process could send any other: a descriptor for one of the
// shim's own slots would make the shim kill, or write, wherever the sender likes.
bool Task::is_due(const ChannelMessage& message) const {
  if (message.signal == Signal::kCloned) return message.stage == run_.stage + 1;
  if (message.stage != run_.stage || message.index < run_.heard_index) return false;
  StepHead head;
  switch (message.signal) {
    case Signal::kAtHostStep:
      return step_at(message, head) && head.host;
    case Signal::kDescriptor: {
      args::give given;
      return step_at(message, head) && head.op == Op::give && args::decode(head.arguments, given) && given.slot == message.value;
    }
    case Signal::kAtRest:
      if (is_given_ahead_) return message.stage == rest_stage_ && message.index + 1 == first_index_;
      return step_at(message, head) && head.op == Op::rest;
    case Signal::kParked:
      return step_at(message, head) && head.op == Op::park;
    default:
      return true;
  }
}

// A program with CAP_SYS_PTRACE can send messages in the name of our init: few are accepted, and none is trusted.
bool Task::is_expected(const ChannelMessage& message) const {
  const bool failed = message.signal == Signal::kFailed && !(context_.words_alone && state_ == State::kRunning);
  const bool ends = message.signal == Signal::kProgramEnded || failed;
  const bool late = run_.executing && !ends && message.signal != Signal::kWorking;
  return message.stage < plan_.stages.count && !late && (state_ != State::kRunning || ends);
}

void Task::heard(const ChannelMessage& message, unique_fd* fds, size_t count, int sender) {
  if (!is_expected(message)) return;
  const bool sets_up = message.signal == Signal::kAtHostStep || message.signal == Signal::kDescriptor ||
                       message.signal == Signal::kCloned || message.signal == Signal::kAtRest || message.signal == Signal::kParked;
  if (sets_up && !is_due(message))
    return fail({static_cast<int32_t>(message.stage), message.index, EPROTO, "it says what is not its turn"});
  if (sets_up) {
    run_.stage = message.stage;
    run_.heard_index = message.signal == Signal::kCloned ? 0 : message.index;
  }
  switch (message.signal) {
    case Signal::kAtHostStep:
      return run_host_steps_of(message);
    case Signal::kDescriptor:
      if (count != 1) return fail({static_cast<int32_t>(message.stage), message.index, EMFILE, "take a descriptor"});
      slots_.put(message.value, std::move(fds[0]));
      return answer_denials(message);
    case Signal::kCloned:
      return cloned(message.stage, sender);
    case Signal::kAtRest:
      if (is_given_ahead_) return;
      at_rest_ = true;
      rest_stage_ = message.stage;
      first_index_ = message.index + 1;
      if (when_waits_ && !has_failed_) std::exchange(when_waits_, {})();
      return give_rest();
    case Signal::kParked:
      return has_failed_ ? void() : parked();
    case Signal::kExecuting:
      return executing();
    case Signal::kWorking:
      // init sends this message also when the program died before its execve
      return run_.executing ? began() : void();
    case Signal::kFailed:
      return fail({static_cast<int32_t>(message.stage), message.index, message.value, message.text});
    case Signal::kProgramEnded:
      run_.program_told = true;
      run_.program_status = message.value;
      run_.times.ended_ns = monotonic_ns();
      return;
    case Signal::kGoOn:
      return;
  }
}

void Task::cloned(uint32_t stage, int sender) {
  // a forged message could name a process of another task, or one whose end the shim never hears of
  if (!supervisor_.is_unknown_child(sender)) return;
  const int pidfd = sys_pidfd_open(sender);
  if (pidfd < 0) return fail({static_cast<int32_t>(stage), 0, -pidfd, "the process is gone"});
  new_process(sender, unique_fd(pidfd));
  keep_watch(stage);
  if (has_failed_ || run_.cause != Cause::kNone) signal_tree();
  limit_set_up(set_up_of_next());
}

void Task::parked() {
  state_ = State::kParked;
  set_up_clock_.stop();
  if (!plan_.has_again) close_given();
  send_started(false);
}

void Task::executing() {
  run_.executing = true;
  hold_mounts();
  run_.times.started_ns = monotonic_ns();
  run_.times.started_real_ns = realtime_ns();
  if (plan_.set_up_ns == 0) set_up_clock_.stop();
  // the limits start now, though the program may not run yet: other processes may keep the shim from hearing that it does
  clocks_.start(supervisor_.loop(), plan_, slots_, {run_.times.started_ns, restarts_ > 0}, [this](Cause cause) { end_by_clock(cause); });
}

// A process that has ended meanwhile has undone its mounts by itself.
void Task::hold_mounts() {
  if (plan_.later_mounts.count == 0) return;
  const std::string path = "/proc/" + std::to_string(run_.first) + "/ns/mnt";
  mounts_.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

void Task::run_host_steps_of(const ChannelMessage& message) {
  Reader steps = plan_.stages.items[message.stage].steps;
  StepHead head;
  for (uint32_t i = first_index_of(message.stage); i < message.index; ++i) {
    if (!next_step(steps, head)) return fail({static_cast<int32_t>(message.stage), message.index, EPROTO, ""});
  }
  ChannelMessage reply;
  std::vector<int32_t> filled;
  slots_.note(&filled);
  uint32_t index = message.index;
  int result = 0;
  bool goes_on = false;
  for (Reader ahead = steps; result >= 0 && next_step(ahead, head) && head.host; ++index) {
    const Span span(context_.trace, trace_.first_stage() + static_cast<int32_t>(message.stage), index);
    if (head.op == Op::go_on && !goes_on) {
      result = give(reply, filled);
      goes_on = true;
    } else {
      result = runs_in_shim(head.op) ? interpret(context_, head.op, head.arguments) : -EPROTO;
    }
    if (result < 0) break;
  }
  slots_.note(nullptr);
  watch_pump();
  // a process that went on may have failed meanwhile, and tells that itself: its message is still in the channel
  if (result == -ESRCH && goes_on) return;
  if (result < 0) return fail({static_cast<int32_t>(message.stage), index, -result, context_.text});
  if (goes_on) return;
  result = give(reply, filled);
  if (result < 0) fail({static_cast<int32_t>(message.stage), index, -result, "answer the process"});
}

// Lets the process go on, with the descriptors that have come into its slots. 0 or -errno; a process that has died is no failure here,
// since its end is reported.
int Task::give(ChannelMessage& reply, const std::vector<int32_t>& filled) {
  int fds[kMaxChannelFds];
  for (const int32_t slot : filled) {
    const int fd = slots_.get(slot);
    if (fd < 0) continue;  // a later host step has closed it again
    if (reply.slots == kMaxChannelFds) return -E2BIG;
    reply.slot[reply.slots] = slot;
    fds[reply.slots++] = fd;
  }
  return answer(reply, fds, reply.slots);
}

void Task::rest(Message& message, std::vector<unique_fd> ahead) {
  go();
  if (has_rest_ || state_ != State::kSetUp || has_failed_) return;
  if (when_taken_) std::exchange(when_taken_, {})();
  has_rest_ = take(rest_body_, message, std::move(ahead));
  give_rest();
}

// Whether the process needs nothing of the shim until it asks for the rest, which may then be in its channel before. `rest`: the index of
// that step.
bool Task::may_be_given_ahead(uint32_t& rest) const {
  if (!channel_ || run_.stage != 0) return false;
  Reader steps = plan_.stages.items[0].steps;
  StepHead head;
  for (rest = 0; next_step(steps, head) && !head.host; ++rest) {
    if (head.op == Op::rest) return true;
    if (head.op == Op::give || side_of(head.op) == Side::flow) return false;
  }
  return false;
}

// Sends the rest of the plan once it has come and the process waits for it, or will ask for nothing else before.
void Task::give_rest() {
  if (!has_rest_ || has_failed_) return;
  if (uint32_t rest = 0; !at_rest_) {
    if (is_given_ahead_ || !may_be_given_ahead(rest)) return;
    is_given_ahead_ = true;
    rest_stage_ = 0;
    first_index_ = rest + 1;
  }
  at_rest_ = false;
  std::vector<int32_t> filled;
  slots_.note(&filled);
  const bool ready = fill_and_prepare();
  slots_.note(nullptr);
  if (!ready) return;
  // the first part of a plan may have had no limit, and a process in a user namespace of its own is others' to stop
  if (rest_stage_ > 0) limit_set_up(set_up_of_next());
  ChannelMessage reply;
  reply.value = static_cast<int32_t>(rest_body_.size());
  const bool is_long = rest_body_.size() > kInlineBody;
  if (is_long) {
    unique_fd memfd;
    slots_.resize(kMaxSlots);
    const int result = sealed_memfd(rest_body_.data(), rest_body_.size(), memfd);
    if (result < 0) return fail({kInPlan, 0, -result, "hand on the plan"});
    slots_.put(kRestSlot, std::move(memfd));
    filled.push_back(kRestSlot);
  }
  int result = give(reply, filled);
  slots_.close(kRestSlot);
  if (result == 0 && !is_long && ::send(channel_.get(), rest_body_.data(), rest_body_.size(), MSG_NOSIGNAL) < 0) result = -errno;
  // the end of a process that died is reported elsewhere
  if (result < 0 && result != -EPIPE && result != -ECONNRESET) fail({kInPlan, 0, -result, "hand on the plan"});
}

void Task::close_channel() {
  channel_watch_.stop();
  channel_.reset();
  context_.channel = -1;
}

// The channel has ended. After kExecuting, execve has closed it and the program runs; without kExecuting, the process has died.
void Task::channel_closed() {
  close_channel();
  if (run_.executing && state_ != State::kRunning && !has_failed_) return began();
  if (run_.executing) return;
  // a process whose words can't be read is of no use, and might wait for ever
  signal_first(SIGKILL);
  // a stage has ended for the next one, which died before its first message: no other end will be reported
  if (processes_.empty() && !run_.has_exit) fail(died_in_set_up(run_.stranger_signal));
}

// `signal`: 0 for a process that has exited.
StepFailure Task::died_in_set_up(int signal) {
  std::string text = "the process died while it was set up";
  if (signal != 0) text += ", by signal " + std::to_string(signal);
  return {kInClone, 0, ECHILD, text};
}

void Task::began() {
  if (state_ == State::kRunning || state_ == State::kEnding || has_failed_) return;
  state_ = State::kRunning;
  set_up_clock_.stop();
  mark_ = trace_.begin(kInRun, 0);
  if (!plan_.has_again) close_given();
  send_started(true);
  if (plan_.hands_over) return hand_over();
  watch_health();
  end_for_lost_copy();
  open_reports_early();
}

// The shim has nothing else to do while the program runs, and somebody waits for the result once it has ended. Of many programs at once
// these descriptors would be too many.
void Task::open_reports_early() {
  constexpr size_t kMostTasks = 32;
  if (plan_.tells_end_first && !plan_.has_again && supervisor_.tasks() <= kMostTasks) report_files_ = open_reports(plan_.reports, slots_);
}

// Lets the program go on without this shim. Nothing is undone: what was made for the program belongs to whoever has asked for it.
void Task::hand_over() {
  stop_clocks();
  for (const pid_t pid : processes_) supervisor_.forget_process(pid);
  processes_.clear();
  tell_trace();
  gone();
}

// Closes the descriptors that came with the plan, but for those that Node wants back. The process has its own by now, and the shim's copies
// would keep its pipes open. Another run needs them too: of a program that may be started again they stay open until its last end.
void Task::close_given() {
  const std::vector<int32_t> returns = numbers(plan_.returns);
  for (const int32_t slot : given_) {
    if (std::find(returns.begin(), returns.end(), slot) == returns.end()) slots_.close(slot);
  }
}

// A later stage may be in a pid namespace with processes that stop it, even before its first message. So where the plan has a timeout,
// set-up has one too; a plan may have one for that alone.
void Task::limit_set_up(uint64_t limit) {
  if (limit == 0 || state_ != State::kSetUp || run_.executing || has_failed_) return;
  set_up_clock_.start(supervisor_.loop(), monotonic_ns() + limit, [this] {
    fail({kInClone, 0, ETIMEDOUT, "it does not come to run: somebody stops it"});
  });
}

void Task::release() {
  if (state_ != State::kParked) return;
  state_ = State::kSetUp;
  limit_set_up(set_up_of_timeout());
  const int sent = answer(ChannelMessage{}, nullptr, 0);
  if (sent < 0) fail({kInClone, 0, -sent, "answer the process"});
}

// Answers the child, which waits. A child that died meanwhile is no failure here, since its end is reported.
int Task::answer(const ChannelMessage& message, const int* fds, size_t count) {
  const int result = channel_ ? send_message(channel_.get(), message, fds, count) : 0;
  return result == -EPIPE || result == -ECONNRESET ? 0 : result;
}

}  // namespace nacelle
