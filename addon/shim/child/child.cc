#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>

#include "../kernel/ignored_signals.h"
#include "../kernel/syscalls.h"
#include "../modes/init.h"
#include "../steps/step_words.h"
#include "../steps/steps.h"
#include "../wire/channel.h"
#include "../wire/plan.h"
#include "../wire/protocol.h"

namespace nacelle {
namespace {

class Child {
 public:
  Child(const Stages& stages, uint32_t stage, Slots& slots, unique_fd channel, int executable, Trace& trace)
      : stages_(&stages), stage_(stage), channel_(std::move(channel)), trace_(trace), context_(slots) {
    context_.channel = channel_.get();
    context_.executable = executable;
  }

  [[noreturn]] void run() {
    restore_default_signals();
    const int closed = close_others();
    if (closed < 0) fail(0, closed);
    run_stage();
  }

 private:
  [[noreturn]] void run_stage() {
    Reader steps = stages_->items[stage_].steps;
    // here, since the container's own filter may refuse rt_sigaction later
    if (getpid() == 1 && has_step(steps, Op::await_start)) end_by_signals();
    StepHead head;
    for (index_ = 0; next_step(steps, head); ++index_) {
      // the shim notes what it does itself
      mark_ = head.host ? Trace::kNone : trace_.begin(trace_.first_stage() + static_cast<int32_t>(stage_), index_);
      const int result = head.host ? wait_for_shim(Signal::kAtHostStep) : head.op == Op::rest ? take_rest(steps) : perform(head);
      trace_.end(mark_);
      if (result < 0) fail(index_, result);
      // the shim has run this host step and all that follow it directly
      if (head.host) skip_host_steps(steps);
    }
    fail(index_, -EPROTO);  // not reached by a valid plan: a stage ends in clone, exec, pause or work
  }

  void skip_host_steps(Reader& steps) {
    for (Reader ahead = steps;; steps = ahead, ++index_) {
      StepHead head;
      if (!next_step(ahead, head) || !head.host) return;
    }
  }

  int perform(const StepHead& head) {
    if (!runs_in_child(head.op)) return -EPROTO;
    context_.stage = stage_;
    context_.index = index_;
    switch (head.op) {
      case Op::clone:
        return next_stage(head.arguments);
      case Op::init:
        return fork_init(context_.executable, channel_.get());
      case Op::park:
        return wait_for_shim(Signal::kParked);
      case Op::await_start:
        return await_start(head.arguments);
      case Op::pass_descriptors:
        return pass_descriptors(head.arguments);
      case Op::exec:
      case Op::pause:
        if (!channel_) return interpret(context_, head.op, head.arguments);
        return announce(Signal::kExecuting), interpret(context_, head.op, head.arguments);
      case Op::unpack:
      case Op::pack:
      case Op::changes:
      case Op::copy_out: {
        announce(Signal::kExecuting);
        announce(Signal::kWorking);
        const int result = interpret(context_, head.op, head.arguments);
        if (result < 0) return result;
        _exit(0);
      }
      default:
        return interpret(context_, head.op, head.arguments);
    }
  }

  ChannelMessage message(Signal signal) const {
    ChannelMessage value;
    value.signal = signal;
    value.stage = stage_;
    value.index = index_;
    return value;
  }

  // A broken channel means that the shim has ended, so this container ends too.
  void announce(Signal signal) {
    if (send_message(channel_.get(), message(signal)) < 0) _exit(126);
  }

  [[noreturn]] void fail(uint32_t index, int error) {
    if (!channel_) tell_starter(index, error);
    ChannelMessage value = message(Signal::kFailed);
    value.index = index;
    value.value = -error;
    std::copy(std::begin(context_.text), std::end(context_.text), value.text);
    static_cast<void>(send_message(channel_.get(), value));  // when this fails, there is nobody else to tell
    _exit(126);
  }

  // From here on the shim counts this process as a program: it may end, and this process waits for somebody else.
  int await_start(Reader arguments) {
    args::await_start a;
    if (!args::decode(arguments, a) || !channel_) return -EPROTO;
    announce(Signal::kExecuting);
    channel_.reset();
    context_.channel = -1;
    starter_ = a.told;
    char byte = 0;
    ssize_t count = -1;
    do {
      count = read(context_.slots.get(a.go), &byte, 1);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return -errno;
    // An end of file is no start: whoever held the other end has gone, and nobody is left to hear of a failure.
    if (count == 0) _exit(126);
    context_.slots.close(a.go);
    return 0;
  }

  // Makes the program's further descriptors. What this process itself has open at their numbers goes elsewhere first.
  int pass_descriptors(Reader arguments) {
    args::pass_descriptors a;
    if (!args::decode(arguments, a)) return -EPROTO;
    constexpr int kFirst = 3;
    const int end = kFirst + static_cast<int>(a.slots.size());
    // -1 when it may stay where it is
    const auto moved = [end](int fd) { return fd < kFirst || fd >= end ? -1 : checked_int(fcntl(fd, F_DUPFD_CLOEXEC, end)); };
    if (const int fd = moved(channel_.get()); fd != -1) {
      if (fd < 0) return fd;
      channel_.reset(fd);
      context_.channel = fd;
    }
    if (const int fd = moved(context_.executable); fd != -1) {
      if (fd < 0) return fd;
      context_.executable = fd;
    }
    for (size_t slot = 0; slot < context_.slots.size(); ++slot) {
      const auto number = static_cast<int32_t>(slot);
      const int fd = moved(context_.slots.get(number));
      if (fd == -1) continue;
      const int put = fd < 0 ? fd : context_.slots.put(number, unique_fd(fd));
      if (put < 0) return put;
    }
    int number = kFirst;
    for (const int32_t slot : a.slots) {
      // what is open at the number of one that is missing is not the program's
      if (slot < 0) {
        close(number++);
      } else if (dup2(context_.slots.get(slot), number++) < 0) {
        return -errno;
      }
    }
    context_.passed = static_cast<unsigned>(a.slots.size());
    return 0;
  }

  // One write, which a named pipe takes as a whole up to PIPE_BUF.
  [[noreturn]] void tell_starter(uint32_t index, int error) {
    Reader steps = stages_->items[stage_].steps;
    StepHead head;
    for (uint32_t i = 0; i <= index; ++i) {
      if (!next_step(steps, head)) _exit(126);
    }
    std::string text = std::to_string(-error) + " " + step_words(head);
    if (context_.text[0] != '\0') text += std::string(": ") + context_.text;
    text.resize(std::min<size_t>(text.size(), PIPE_BUF));
    // when this fails, there is nobody else to tell
    _exit(write(context_.slots.get(starter_), text.data(), text.size()) < 0 ? 125 : 126);
  }

  int wait_for_shim(Signal reason) {
    ChannelMessage reply;
    return wait_for_shim(reason, reply);
  }

  int wait_for_shim(Signal reason, ChannelMessage& reply) {
    announce(reason);
    unique_fd fds[kMaxChannelFds];
    size_t count = 0;
    int sender = 0;
    const int result = receive_message(channel_.get(), reply, fds, count, sender);
    if (result == 0) _exit(126);
    if (result < 0) return result;
    for (size_t i = 0; i < count; ++i) {
      const int put = context_.slots.put(reply.slot[i], std::move(fds[i]));
      if (put < 0) return put;
    }
    return 0;
  }

  // Waits for the rest of the plan, and goes on with the stage in it that has the number of this one. The rest may use slots that the first
  // part did not have.
  int take_rest(Reader& steps) {
    static char buffer[kInlineBody];
    static Plan plan;
    if (stages_ == &plan.stages) return -EPROTO;
    context_.slots.resize(kMaxSlots);
    ChannelMessage reply;
    const int result = wait_for_shim(Signal::kAtRest, reply);
    if (result < 0) return result;
    const auto size = static_cast<size_t>(reply.value);
    const char* body = buffer;
    if (size > sizeof buffer) {
      void* mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, context_.slots.get(kRestSlot), 0);
      if (mapped == MAP_FAILED) return -errno;
      body = static_cast<const char*>(mapped);
      context_.slots.close(kRestSlot);
    } else if (recv(channel_.get(), buffer, size, 0) != static_cast<ssize_t>(size)) {
      return -EPROTO;
    }
    if (!parse_plan(body, size, plan) || plan.stages.count <= stage_) return -EPROTO;
    stages_ = &plan.stages;
    steps = plan.stages.items[stage_].steps;
    return 0;
  }

  int next_stage(Reader arguments) {
    args::clone a;
    if (!args::decode(arguments, a) || a.stage >= stages_->count) return -EPROTO;
    const auto next = static_cast<uint32_t>(a.stage);
    const int closed = let_go(a.keep, next);
    if (closed < 0) return closed;
    // CLONE_PARENT: the shim stays the parent of every stage, and reaps it
    const int64_t skew = trace_.is_on() ? Trace::skew() : 0;
    const pid_t pid = clone_sibling(stages_->items[next]);
    if (pid < 0) return pid;
    if (pid > 0) _exit(0);
    trace_.follow_clock(skew);
    trace_.end(mark_);
    stage_ = next;
    index_ = 0;
    announce(Signal::kCloned);
    run_stage();  // the signals are the defaults, and others' descriptors closed, since before this stage was cloned
  }

  // Avoids clone3 where possible: the container's own filter may be loaded, and answers ENOSYS to it.
  pid_t clone_sibling(const Stage& stage) const {
    if (stage.flags != 0 || stage.group >= 0) return clone_stage(stage, context_.slots, kCloneParent, nullptr);
    return static_cast<pid_t>(checked(syscall(SYS_clone, kCloneParent, nullptr, nullptr, nullptr, nullptr)));
  }

  // Closes what the next stage doesn't need before that is cloned. It may enter a pid namespace whose hostile processes take descriptors
  // from it (CVE-2016-9962).
  int let_go(const List<int32_t>& keep, uint32_t stage) {
    const Stage& next = stages_->items[stage];
    for (size_t slot = 0; slot < context_.slots.size(); ++slot) {
      const auto number = static_cast<int32_t>(slot);
      bool is_kept = number == next.group;
      for (const int32_t kept : keep) is_kept = is_kept || kept == number;
      if (!is_kept) context_.slots.close(number);
    }
    // it executes the shim's own file
    const bool rests = is_ahead(stage, Op::rest);  // what comes then is not known yet
    if (context_.executable >= 0 && !rests && !is_ahead(stage, Op::init) && !is_ahead(stage, Op::pause)) {
      ::close(context_.executable);
      context_.executable = -1;
    }
    // 0, 1 and 2 are the host's null device until a program's streams take their place, which may be set up a stage before its execve
    if (!rests && !is_ahead(stage, Op::exec)) static_cast<void>(sys_close_range(0, 2, 0));
    const int closed = close_others();
    // A filter that was written before Linux 5.9 does not know close_range, and may have any errno. This process has closed others'
    // descriptors long before.
    return closed == -ENOSYS || (closed != -EMFILE && is_filtered()) ? 0 : closed;
  }

  // Whether this stage, or one that comes after it, has such a step.
  bool is_ahead(uint32_t stage, Op op) const {
    for (uint32_t later = stage; later < stages_->count; ++later) {
      if (has_step(stages_->items[later].steps, op)) return true;
    }
    return false;
  }

  // The kernel drops signals to process 1 of a pid namespace that have no handler (pid_namespaces(7)), and so nobody could end a container
  // that waits for its start by SIGTERM. execve takes the handlers away.
  static void end_by_signals() {
    struct sigaction action = {};
    action.sa_handler = [](int signal) { _exit(128 + signal); };
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM}) sigaction(signal, &action, nullptr);
  }

  // Closes everything but 0, 1, 2, the channel, the executable and the slots. Else a parked child would keep other sockets open.
  int close_others() {
    static int keep[kMaxKept];
    size_t count = 0;
    keep[count++] = 2;
    keep[count++] = channel_.get();
    if (context_.executable >= 0) keep[count++] = context_.executable;
    for (size_t slot = 0; slot < context_.slots.size(); ++slot) {
      const int fd = context_.slots.get(static_cast<int32_t>(slot));
      if (fd < 0) continue;
      if (count == kMaxKept) return -EMFILE;
      keep[count++] = fd;
    }
    std::sort(keep, keep + count);
    for (size_t i = 0; i < count; ++i) {
      const auto first = static_cast<unsigned>(keep[i]) + 1;
      const unsigned last = i + 1 == count ? ~0U : static_cast<unsigned>(keep[i + 1]) - 1;
      if (first > last) continue;
      const int result = sys_close_range(first, last, 0);
      if (result < 0) return result;
    }
    return 0;
  }

  static constexpr size_t kMaxKept = 4200;
  const Stages* stages_;
  uint32_t stage_;
  uint32_t index_ = 0;
  unique_fd channel_;
  Trace& trace_;
  size_t mark_ = Trace::kNone;  // of the step at hand
  int32_t starter_ = -1;        // the slot of the named pipe in which a failure is told when the channel has gone
  Context context_;
};

}  // namespace

pid_t clone_stage(const Stage& stage, const Slots& slots, uint64_t extra_flags, int* pidfd) {
  CloneArguments arguments;
  arguments.flags = stage.flags | extra_flags;
  if ((arguments.flags & kCloneParent) == 0) arguments.exit_signal = SIGCHLD;
  if (pidfd != nullptr) {
    arguments.flags |= kClonePidfd;
    arguments.pidfd = reinterpret_cast<uint64_t>(pidfd);
  }
  if (stage.group >= 0) {
    arguments.flags |= kCloneIntoCgroup;
    arguments.cgroup = static_cast<uint64_t>(slots.get(stage.group));
  }
  return sys_clone3(arguments);
}

void child_main(const Stages& stages, uint32_t stage, Slots& slots, unique_fd channel, int executable, Trace& trace) {
  Child(stages, stage, slots, std::move(channel), executable, trace).run();
}

}  // namespace nacelle
