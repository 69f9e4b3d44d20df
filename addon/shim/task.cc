#include "task.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "channel.h"
#include "groups.h"
#include "steps.h"
#include "supervisor.h"
#include "syscalls.h"

namespace nacelle {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kPatience = 5000 * kMillisecond;  // for a control group whose last process is still dying

std::vector<int32_t> read_slot_list(Reader& reader) {
  std::vector<int32_t> slots;
  for (const int32_t slot : reader.list<int32_t>()) slots.push_back(slot);
  return slots;
}

// The status of a process that has ended.
int wait_for(pid_t pid) {
  int status = 0;
  return waitpid(pid, &status, __WALL) < 0 ? W_EXITCODE(ECHILD, 0) : status;
}

int fill(Slots& slots, const std::vector<int32_t>& numbers, std::vector<unique_fd> ahead, std::vector<unique_fd>& fds) {
  for (unique_fd& fd : fds) ahead.push_back(std::move(fd));
  if (ahead.size() != numbers.size()) return -EPROTO;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const int result = slots.put(numbers[i], std::move(ahead[i]));
    if (result < 0) return result;
  }
  return 0;
}

}  // namespace

Task::~Task() {
  // a plan holds a program's environment and files: not for whoever gets this memory next
  explicit_bzero(body_.data(), body_.size());
}

void Task::start(Message& message, std::vector<unique_fd> ahead) {
  if (message.cut) return fail({kInPlan, 0, EMFILE, "take the descriptors"});
  body_ = std::move(message.body);
  if (!parse_plan(body_, plan_)) return fail({kInPlan, 0, EPROTO, "the plan can't be read"});
  slots_.resize(plan_.slot_count);
  const int filled = fill(slots_, plan_.slots, std::move(ahead), message.fds);
  if (filled < 0) return fail({kInPlan, 0, -filled, "descriptors are missing"});
  context_.outputs = &outputs_;
  HostSteps prepare(plan_.prepare, kInPrepare);
  StepFailure failure;
  if (prepare.run(context_, true, failure) != HostSteps::Outcome::kDone) return fail(std::move(failure));
  if (!plan_.stages.empty()) return start_first_stage();
  state_ = State::kHolding;
  send_started(false);
}

void Task::start_first_stage() {
  unique_fd theirs;
  int result = make_channel(channel_, theirs);
  if (result < 0) return fail({kInClone, 0, -result, "make a channel"});
  int pidfd = -1;
  const pid_t pid = clone_stage(plan_.stages[0], slots_, 0, &pidfd);
  if (pid < 0) return fail({kInClone, 0, -pid, ""});
  if (pid == 0) child_main(plan_.stages, 0, slots_, std::move(theirs), supervisor_.executable());
  first_ = pid;
  first_pidfd_.reset(pidfd);
  processes_.insert(pid);
  supervisor_.watch_process(pid, this);
  state_ = State::kSetUp;
  result = channel_watch_.start(supervisor_.loop(), channel_.get(), EPOLLIN, [this](uint32_t) { read_channel(); });
  if (result < 0) fail({kInClone, 0, -result, "watch the channel"});
}

// What went wrong first is what is told; everything that was made goes.
void Task::fail(StepFailure failure) {
  if (!has_failed_) failure_ = std::move(failure);
  has_failed_ = true;
  signal_tree();
  finish_when_empty();
}

void Task::read_channel() {
  while (channel_) {
    ChannelMessage message;
    unique_fd fds[16];
    size_t count = 0;
    int sender = 0;
    const int result = receive_message(channel_.get(), message, fds, count, sender);
    if (result == -EAGAIN) return;
    if (result <= 0) return channel_closed();
    heard(message, fds, count, sender);
  }
}

void Task::heard(const ChannelMessage& message, unique_fd* fds, size_t count, int sender) {
  // with CAP_SYS_PTRACE a program can speak for our init: what may come is little, and none of it is trusted
  const bool ends = message.signal == Signal::kProgramEnded || message.signal == Signal::kFailed;
  if (message.stage >= plan_.stages.size() || (state_ == State::kRunning && !ends)) return;
  switch (message.signal) {
    case Signal::kAtHostStep:
      return run_host_steps_of(message);
    case Signal::kDescriptor:
      if (count == 1) slots_.put(message.value, std::move(fds[0]));
      return;
    case Signal::kCloned: {
      const int pidfd = sys_pidfd_open(sender);
      if (pidfd < 0) return fail({static_cast<int32_t>(message.stage), 0, -pidfd, "the process is gone"});
      first_ = sender;
      first_pidfd_.reset(pidfd);
      processes_.insert(sender);
      supervisor_.watch_process(sender, this);
      if (has_failed_ || cause_ != Cause::kNone) signal_tree();
      return;
    }
    case Signal::kParked:
      if (has_failed_) return;
      state_ = State::kParked;
      close_given();
      return send_started(false);
    case Signal::kExecuting:
      executing_ = true;
      started_ns_ = monotonic_ns();
      started_real_ns_ = realtime_ns();
      return;
    case Signal::kWorking:
      // init says so too when the program died before
      return executing_ ? began() : void();
    case Signal::kFailed:
      return fail({static_cast<int32_t>(message.stage), message.index, message.value, message.text});
    case Signal::kProgramEnded:
      program_told_ = true;
      program_status_ = message.value;
      ended_ns_ = monotonic_ns();
      return;
    case Signal::kGoOn:
      return;
  }
}

void Task::run_host_steps_of(const ChannelMessage& message) {
  Reader steps = plan_.stages[message.stage].steps;
  StepHead head;
  for (uint32_t i = 0; i < message.index; ++i) {
    if (!next_step(steps, head)) return fail({static_cast<int32_t>(message.stage), message.index, EPROTO, ""});
  }
  ChannelMessage reply;
  std::vector<int32_t> filled;
  slots_.note(&filled);
  context_.process = first_;
  uint32_t index = message.index;
  int result = 0;
  for (Reader ahead = steps; result >= 0 && next_step(ahead, head) && head.host; ++index) {
    result = child_only(head.op) ? -EPROTO : interpret(context_, head.op, head.arguments);
    if (result < 0) break;
  }
  slots_.note(nullptr);
  if (result < 0) return fail({static_cast<int32_t>(message.stage), index, -result, context_.text});
  int fds[16];
  for (const int32_t slot : filled) {
    if (reply.slots == 16) return fail({static_cast<int32_t>(message.stage), index, E2BIG, "too many descriptors at once"});
    reply.slot[reply.slots] = slot;
    fds[reply.slots++] = slots_.get(slot);
  }
  // a child that died meanwhile is told by its end
  static_cast<void>(send_message(channel_.get(), reply, fds, reply.slots));
}

// The program runs when its copy of the channel was closed by execve; who closed it without having said so has died.
void Task::channel_closed() {
  channel_watch_.stop();
  channel_.reset();
  if (executing_ && state_ != State::kRunning && !has_failed_) return began();
  // a stage made way for one that never spoke, so nobody's end will be told
  if (!executing_ && processes_.empty() && !has_exit_) fail({kInClone, 0, ECHILD, "the process died while it was set up"});
}

void Task::began() {
  if (state_ == State::kRunning || state_ == State::kEnding || has_failed_) return;
  state_ = State::kRunning;
  close_given();
  start_clocks();
  send_started(true);
}

// What came along is the process's, which has its own by now: a copy of ours would keep its pipes open.
void Task::close_given() {
  for (const int32_t slot : plan_.slots) slots_.close(slot);
}

void Task::release() {
  if (state_ != State::kParked) return;
  state_ = State::kSetUp;
  static_cast<void>(send_message(channel_.get(), ChannelMessage{}));  // a dead child is told by its end
}

// --- clocks and kills ------------------------------------------------------------------------------------------------

void Task::start_clocks() {
  if (plan_.timeout_ns > 0) {
    wall_clock_.start(supervisor_.loop(), started_ns_ + plan_.timeout_ns, [this] { end_by_clock(Cause::kWallTime); });
  }
  if (plan_.has_cpu_clock) {
    cpu_clock_.start(supervisor_.loop(), started_ns_ + plan_.cpu_limit_ns / static_cast<uint64_t>(get_nprocs()), [this] { check_cpu(); });
  }
}

// Reads the counter when the limit could first have been reached with every processor busy, and so on from there.
void Task::check_cpu() {
  const unique_fd fd(openat(slots_.get(plan_.cpu_counter.at), plan_.cpu_counter.path.text, O_RDONLY | O_CLOEXEC));
  char text[1024] = "";
  const ssize_t size = fd ? read(fd.get(), text, sizeof text - 1) : -1;
  const char* number = text;
  if (size > 0 && !plan_.cpu_key.empty()) {
    number = std::strstr(text, plan_.cpu_key.text);
    if (number != nullptr) number += plan_.cpu_key.size;
  }
  // a counter that can't be read any more must not mean that there is no limit
  if (size <= 0 || number == nullptr) return end_by_clock(Cause::kCpuTime);
  const uint64_t used = std::strtoull(number, nullptr, 10) * plan_.cpu_unit_ns;
  if (used >= plan_.cpu_limit_ns) return end_by_clock(Cause::kCpuTime);
  const uint64_t soonest = (plan_.cpu_limit_ns - used) / static_cast<uint64_t>(get_nprocs());
  cpu_clock_.start(supervisor_.loop(), monotonic_ns() + (soonest < kMillisecond ? kMillisecond : soonest), [this] { check_cpu(); });
}

void Task::end_by_clock(Cause cause) {
  blame(cause);
  if (plan_.signal == SIGKILL) return signal_tree();
  signal_first(plan_.signal);
  force_kill_.start(supervisor_.loop(), monotonic_ns() + plan_.force_kill_after_ns, [this] { signal_tree(); });
}

// The first cause stands, and none is blamed for an end that came before it.
void Task::blame(Cause cause) {
  if (state_ == State::kRunning) read_channel();
  pollfd process{first_pidfd_.get(), POLLIN, 0};  // a descriptor of -1 is left out
  const bool ended = has_exit_ || program_told_ || poll(&process, 1, 0) > 0;
  if (cause_ == Cause::kNone && !ended) cause_ = cause;
}

void Task::signal_tree() {
  if (plan_.has_kill_group) {
    static_cast<void>(kill_group(slots_.get(plan_.kill_group.at), plan_.kill_group.path.text));  // it may not be made yet
  }
  signal_first(SIGKILL);
}

void Task::signal_first(int signal) {
  if (first_pidfd_) static_cast<void>(sys_pidfd_send_signal(first_pidfd_.get(), signal));  // ESRCH: it ended by itself
}

void Task::kill(Message& message) {
  Reader reader(message.body.data(), message.body.size());
  const uint32_t sequence = reader.u32();
  const auto cause = static_cast<Cause>(reader.u8());
  const auto signal = static_cast<int>(reader.u32());
  const bool tree = reader.u8() != 0;
  if (!reader.ok()) return;
  blame(cause);
  if (tree && signal == SIGKILL) {
    signal_tree();
  } else {
    signal_first(signal);
    if (cause == Cause::kCancel || cause == Cause::kOutput) {
      force_kill_.start(supervisor_.loop(), monotonic_ns() + plan_.force_kill_after_ns, [this] { signal_tree(); });
    }
  }
  Call done;
  done.sequence = sequence;
  reply(done, nullptr);
}

void Task::close() {
  if (state_ == State::kHolding) return finish_when_empty();
  if (state_ == State::kEnding || state_ == State::kGone) return;
  blame(Cause::kCaller);
  signal_tree();
}

void Task::abandon() {
  client_ = nullptr;
  if (state_ == State::kHolding) return finish_when_empty();
  if (state_ == State::kEnding || state_ == State::kGone) return;
  blame(Cause::kOwner);
  signal_tree();
}

// --- the end ---------------------------------------------------------------------------------------------------------

void Task::process_ended(pid_t pid) {
  if (pid == undo_.apart()) return undo_step_ended();
  for (const auto& call : calls_) {
    if (pid == call->steps.apart()) return call_step_ended(*call);
  }
  read_channel();
  siginfo_t info{};
  struct rusage usage {};
  if (sys_waitid(P_PID, pid, &info, WEXITED | __WALL, &usage) < 0) info.si_code = CLD_EXITED;
  processes_.erase(pid);
  if (pid == first_) {
    first_pidfd_.reset();
    // a stage that only made way for the next one ends with 0 and leaves the channel open
    const bool last = !channel_ || executing_ || has_failed_ || cause_ != Cause::kNone || info.si_code != CLD_EXITED || info.si_status != 0;
    if (last) {
      has_exit_ = true;
      usage_ = usage;
      if (!program_told_) {
        ended_ns_ = monotonic_ns();
        program_status_ = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0) : info.si_status;
      }
    }
  }
  const bool in_set_up = state_ == State::kSetUp || state_ == State::kParked;
  if (in_set_up && has_exit_ && !has_failed_ && cause_ == Cause::kNone) {
    has_failed_ = true;
    std::string text = "the process died while it was set up";
    if (info.si_code != CLD_EXITED) text += ", by signal " + std::to_string(info.si_status);
    failure_ = {kInClone, 0, ECHILD, text};
  }
  if (has_exit_ || has_failed_) finish_when_empty();
}

bool Task::tree_is_gone() {
  if (!plan_.has_kill_group) return true;
  return !is_populated(slots_.get(plan_.kill_group.at), plan_.kill_group.path.text);
}

// Goes on when all processes of the stages are reaped, and nothing else of the tree lives.
void Task::finish_when_empty() {
  if (state_ == State::kEnding || state_ == State::kGone) return;
  if (!processes_.empty() && !(has_exit_ || has_failed_)) return;
  if (!processes_.empty() || !tree_is_gone()) {
    signal_tree();
    retry_.start(supervisor_.loop(), monotonic_ns() + kMillisecond, [this] { finish_when_empty(); });
    return;
  }
  finish();
}

void Task::finish() {
  state_ = State::kEnding;
  wall_clock_.stop();
  cpu_clock_.stop();
  force_kill_.stop();
  retry_.stop();
  channel_watch_.stop();
  channel_.reset();
  if (has_exit_) {
    for (const FileAt& file : plan_.reports) {
      std::string content;
      const unique_fd fd(openat(slots_.get(file.at), file.path.text, O_RDONLY | O_CLOEXEC));
      char buffer[8192];
      ssize_t size = -1;
      while (fd && (size = read(fd.get(), buffer, sizeof buffer)) > 0) content.append(buffer, static_cast<size_t>(size));
      reports_.emplace_back(size == 0, std::move(content));
    }
  }
  undo_ = HostSteps(plan_.undo, kInUndo);
  deadline_ns_ = monotonic_ns() + kPatience;
  undo();
}

void Task::undo() {
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
        send_end();
        state_ = State::kGone;
        if (client_ != nullptr) client_->forget(id_);
        return supervisor_.remove(this);
    }
  }
}

void Task::undo_step_ended() {
  StepFailure failure;
  if (undo_.take_end(wait_for(undo_.apart()), failure) == HostSteps::Outcome::kFailed) {
    undo_failures_.push_back(std::move(failure));
    undo_.skip();
  }
  deadline_ns_ = monotonic_ns() + kPatience;  // the time that it took is not the next step's
  undo();
}

// --- host steps by call ----------------------------------------------------------------------------------------------

void Task::call(Message& message, std::vector<unique_fd> ahead) {
  auto call = std::make_unique<Call>();
  call->body = std::move(message.body);
  Reader reader(call->body.data(), call->body.size());
  call->sequence = reader.u32();
  const std::vector<int32_t> numbers = read_slot_list(reader);
  const uint32_t slot_count = reader.u32();
  const uint32_t size = reader.u32();
  call->steps = HostSteps(reader.part(size), kInCall);
  call->returns = read_slot_list(reader);
  call->deadline_ns = monotonic_ns() + kPatience;
  StepFailure failure{kInCall, 0, EPROTO, "the call can't be read"};
  if (message.cut) failure = {kInCall, 0, EMFILE, "take the descriptors"};
  if (message.cut || !reader.ok() || slot_count > kMaxSlots) return reply(*call, &failure);
  if (slot_count > slots_.size()) slots_.resize(slot_count);
  if (fill(slots_, numbers, std::move(ahead), message.fds) < 0) return reply(*call, &failure);
  calls_.push_back(std::move(call));
  run_call(*calls_.back(), false);
}

void Task::run_call(Call& call, bool last_try) {
  context_.outputs = &call.outputs;
  context_.output_count = call.output_count;
  context_.process = first_;
  StepFailure failure;
  const HostSteps::Outcome outcome = call.steps.run(context_, last_try, failure);
  call.output_count = context_.output_count;
  context_.outputs = nullptr;
  if (outcome == HostSteps::Outcome::kBusy) {
    call.retry.start(supervisor_.loop(), monotonic_ns() + kMillisecond,
                     [this, &call] { run_call(call, monotonic_ns() >= call.deadline_ns); });
    return;
  }
  if (outcome == HostSteps::Outcome::kApart) return supervisor_.watch_process(call.steps.apart(), this);
  call_done(call, outcome == HostSteps::Outcome::kFailed ? &failure : nullptr);
}

void Task::call_step_ended(Call& call) {
  StepFailure failure;
  if (call.steps.take_end(wait_for(call.steps.apart()), failure) == HostSteps::Outcome::kFailed) return call_done(call, &failure);
  call.deadline_ns = monotonic_ns() + kPatience;
  run_call(call, false);
}

void Task::call_done(const Call& call, const StepFailure* failure) {
  reply(call, failure);
  calls_.remove_if([&call](const std::unique_ptr<Call>& item) { return item.get() == &call; });
}

// --- what Node is told -----------------------------------------------------------------------------------------------

namespace {

void write_failure(Writer& writer, const StepFailure& failure) {
  writer.i32(failure.where).u32(failure.index).i32(failure.error).str(failure.text.c_str());
}

uint64_t microseconds(const timeval& time) { return static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_usec); }

}  // namespace

Message Task::event(Event type) const {
  Message message;
  message.type = static_cast<uint16_t>(type);
  message.id = id_;
  return message;
}

void Task::tell(Message message) {
  if (client_ != nullptr) client_->send(std::move(message));
}

// The outputs, then the slots whose descriptors come along: duplicates, for the task may need its own.
void Task::add_results(Message& message, uint32_t output_count, const std::string& outputs, const std::vector<int32_t>& returns) {
  Writer writer(message.body);
  writer.u32(output_count);
  message.body += outputs;
  std::vector<int32_t> sent;
  for (const int32_t slot : returns) {
    unique_fd copy(slots_.has(slot) ? fcntl(slots_.get(slot), F_DUPFD_CLOEXEC, 3) : -1);
    if (!copy) continue;
    message.fds.push_back(std::move(copy));
    sent.push_back(slot);
  }
  writer.u32(static_cast<uint32_t>(sent.size()));
  for (const int32_t slot : sent) writer.i32(slot);
}

void Task::send_started(bool running) {
  Message message = event(told_started_ ? Event::kRunning : Event::kStarted);
  Writer writer(message.body);
  writer.u8(running ? 1 : 0).num(static_cast<uint64_t>(first_)).num(started_ns_).num(started_real_ns_);
  if (!told_started_) add_results(message, context_.output_count, outputs_, plan_.returns);
  told_started_ = true;
  tell(std::move(message));
}

void Task::reply(const Call& call, const StepFailure* failure) {
  Message message = event(Event::kCalled);
  Writer writer(message.body);
  writer.u32(call.sequence).u8(failure == nullptr ? 0 : 1);
  if (failure != nullptr) {
    write_failure(writer, *failure);
  } else {
    add_results(message, call.output_count, call.outputs, call.returns);
  }
  tell(std::move(message));
}

void Task::send_end() {
  const bool never_began = has_failed_ && !told_started_;
  Message message = event(never_began ? Event::kFailed : Event::kEnded);
  Writer writer(message.body);
  writer.u8(has_failed_ ? 1 : 0);
  if (has_failed_) write_failure(writer, failure_);
  writer.u32(static_cast<uint32_t>(undo_failures_.size()));
  for (const StepFailure& failure : undo_failures_) write_failure(writer, failure);
  if (!never_began) {
    const bool signalled = WIFSIGNALED(program_status_);
    writer.u8(signalled ? 1 : 0);
    writer.u32(static_cast<uint32_t>(signalled ? WTERMSIG(program_status_) : WEXITSTATUS(program_status_)));
    writer.u8(static_cast<uint8_t>(cause_)).num(started_real_ns_).num(started_ns_).num(ended_ns_);
    writer.num(microseconds(usage_.ru_utime)).num(microseconds(usage_.ru_stime));
    writer.num(static_cast<uint64_t>(usage_.ru_maxrss) * 1024);
    writer.num(static_cast<uint64_t>(usage_.ru_nvcsw)).num(static_cast<uint64_t>(usage_.ru_nivcsw));
    writer.u32(static_cast<uint32_t>(reports_.size()));
    for (const auto& report : reports_) {
      writer.u8(report.first ? 1 : 0);
      writer.bytes(report.second.data(), report.second.size());
    }
  }
  if (!undo_failures_.empty()) supervisor_.keep_journal();
  tell(std::move(message));
}

}  // namespace nacelle
