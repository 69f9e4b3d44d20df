#include "host_steps.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

#include "../kernel/syscalls.h"
#include "../layer/remove_tree.h"
#include "../steps/step_words.h"
#include "../steps/steps.h"

namespace nacelle {
namespace {

// What the process of a `remove_tree` does: its exit status is 0 or the errno. It dies with the shim, and the next reap() removes the rest.
[[noreturn]] void remove_apart(int at, const char* path, pid_t shim) {
  constexpr int kAt = 3;
  const unsigned rest = at < 0 ? kAt : kAt + 1;
  int result = checked_int(prctl(PR_SET_PDEATHSIG, SIGKILL));
  if (result == 0 && getppid() != shim) result = -ESRCH;
  if (result == 0) result = checked_int(prctl(PR_SET_NAME, "nacelle-remove"));
  // copies of the shim's sockets would keep these open after the shim's end
  if (result == 0 && at >= 0 && at != kAt) result = checked_int(dup2(at, kAt)) < 0 ? -errno : 0;
  if (result == 0) result = sys_close_range(rest, ~0U, 0);
  if (result == 0) result = layer::remove_tree(at < 0 ? at : kAt, path);
  _exit(-result);
}

// The pid, or -errno.
pid_t start_apart(const Context& context, Reader arguments) {
  args::remove_tree a;
  if (!args::decode(arguments, a)) return -EPROTO;
  const pid_t shim = getpid();
  const std::string path = a.path.text;  // copied, since a fork does not inherit the plan (secret.h)
  CloneArguments fork;
  fork.exit_signal = SIGCHLD;
  const pid_t pid = sys_clone3(fork);
  if (pid == 0) remove_apart(context.slots.get(a.at), path.c_str(), shim);
  return pid;
}

// Whether a step is done when the processes beside the shim have answered.
bool waits_for_carriers(Op op) { return op == Op::change_egress || op == Op::end_egress; }

// Whether a step that failed may succeed when it is tried again.
bool passes(Op op, int result) {
  if (op == Op::remove_tree) return result == -EAGAIN;  // EAGAIN: no more processes are allowed now
  if (op == Op::share_folder) return result == -EWOULDBLOCK;
  return result == -EBUSY && (op == Op::kill_group || op == Op::remove_group || op == Op::remove_folder || op == Op::end_guarded ||
                              op == Op::leave_bridge || op == Op::leave_settings || waits_for_carriers(op));
}

}  // namespace

HostSteps::Outcome HostSteps::run(Context& context, bool last_try, StepFailure& failure) {
  StepHead head;
  Reader ahead;
  while (next(ahead, head)) {
    if (args::run_steps kept; head.op == Op::run_steps && kept_.empty() && args::decode(head.arguments, kept)) {
      enter(context, kept);
      continue;
    }
    // what could not be ended or unmounted may still use the tree, which the next reap finds by its record
    if ((head.op == Op::forget || head.op == Op::remove_tree) && has_failed_) {
      pass(ahead);
      continue;
    }
    const bool is_ours = kept_.empty() ? runs_in_shim(head.op) : may_be_kept(head.op);
    const bool apart = head.op == Op::remove_tree && where_ != kInPrepare;
    context.is_again = std::exchange(was_busy_, false);
    const Span span(where_ == kInCall ? nullptr : context.trace, where_, index_);
    const int result = !is_ours ? -EPROTO : apart ? start_apart(context, head.arguments) : interpret(context, head.op, head.arguments);
    if (apart && result > 0) {
      apart_ = result;
      return Outcome::kApart;
    }
    if (result < 0 && passes(head.op, result) && !last_try) {
      was_busy_ = true;
      patience_ = waits_for_carriers(head.op) ? kAnswerPatience : kPatience;
      return Outcome::kBusy;
    }
    // EBUSY: another environment (a Worker, or Node's main thread) uses the folder too, and removes it when it ends
    if (result >= 0 || (head.op == Op::remove_folder && result == -EBUSY)) {
      pass(ahead);
      continue;
    }
    has_failed_ = true;
    if (!kept_.empty()) name_failure(context, head);
    failure = StepFailure{where_, index_, -result, context.text};
    return Outcome::kFailed;
  }
  return Outcome::kDone;
}

HostSteps::Outcome HostSteps::take_end(StepFailure& failure) {
  int status = 0;
  if (waitpid(apart_, &status, __WALL) < 0) status = W_EXITCODE(ECHILD, 0);
  apart_ = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    skip();
    return Outcome::kDone;
  }
  has_failed_ = true;
  failure = StepFailure{where_, index_, WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD, ""};
  if (WIFSIGNALED(status)) failure.text = "the process that did it was killed by signal " + std::to_string(WTERMSIG(status));
  return Outcome::kFailed;
}

void HostSteps::skip() {
  StepHead head;
  if (!kept_.empty()) {
    next_step(kept_.back().left, head);
  } else if (next_step(left_, head)) {
    ++index_;
  }
}

// Reads the step that is to be run, with what comes after it; false when there are no more.
bool HostSteps::next(Reader& ahead, StepHead& head) {
  while (!kept_.empty()) {
    ahead = kept_.back().left;
    if (next_step(ahead, head)) return true;
    kept_.pop_back();
    // the step is done that they stood for
    if (kept_.empty()) skip();
  }
  ahead = left_;
  return next_step(ahead, head);
}

void HostSteps::pass(const Reader& ahead) {
  if (!kept_.empty()) {
    kept_.back().left = ahead;
    return;
  }
  left_ = ahead;
  ++index_;
}

void HostSteps::enter(const Context& context, const args::run_steps& step) {
  kept_ = context.kept.of(step);
  std::reverse(kept_.begin(), kept_.end());
}

}  // namespace nacelle
