#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include <cerrno>

#include "../wire/channel.h"
#include "supervisor.h"
#include "task.h"

// The part of Task that concerns the process which answers the calls that the program's filter refuses (modes/denials.h): one for each run.
namespace nacelle {
namespace {

// The most that are read at a time, so that a program which makes many such calls does not delay other tasks.
constexpr size_t kMostDenials = 32;
// What that process can have told when the program has ended: no more goes into its socket.
constexpr size_t kAllDenials = 4096;

}  // namespace

// The program's process has handed its listener over. The shim keeps no copy: the calls must fail, not wait, when the process that answers
// them dies.
void Task::answer_denials(const ChannelMessage& message) {
  const int32_t slot = plan_.denials.listener;
  if (!plan_.has_denials || message.value != slot || has_failed_) return;
  const int result = denials_.start(supervisor_.executable(), slots_.get(slot), plan_.denials);
  slots_.close(slot);
  if (result < 0)
    return fail({static_cast<int32_t>(message.stage), message.index, -result, "start the process that answers refused calls"});
  watch_denials();
}

void Task::watch_denials() {
  if (denials_.pid() == 0) return;
  supervisor_.watch_process(denials_.pid(), this);
  const int result =
      denials_watch_.start(supervisor_.loop(), denials_.control(), EPOLLIN, [this](uint32_t) { read_denials(kMostDenials); });
  if (result < 0) fail({kInPlan, 0, -result, "watch the process that answers refused calls"});
}

void Task::read_denials(size_t most) {
  if (denials_.pid() == 0) return;
  const bool more = denials_.read(most, [this](const Denial& denial, const std::string& whole) { denied(denial, whole); });
  if (!more) denials_watch_.stop();
}

void Task::denied(const Denial& denial, const std::string& whole) {
  const Violation violation{true, denial.arch, denial.call};
  if (denial.killed != 0 && denial.pid == static_cast<uint32_t>(run_.first)) run_.violation = violation;
  if (denial.killed != 0 && denial.parent == static_cast<uint32_t>(run_.first)) run_.violation_below = violation;
  if (plan_.denials.are_told && denial.is_quiet == 0) listeners_.tell(denied_event(whole));
}

// The program has ended. Where its own process was killed for a call, that is as if by SIGSYS, also where SIGSYS would not have ended it:
// the kernel's own action would have.
void Task::take_violation() {
  read_denials(kAllDenials);
  // our init is the first process, and the program is below it
  if (run_.program_told) run_.violation = run_.violation_below;
  const bool was_killed = WIFSIGNALED(run_.program_status) && run_.cause == Cause::kNone;
  if (!was_killed) run_.violation = {};
  if (run_.violation.has_happened && WTERMSIG(run_.program_status) == SIGKILL) run_.program_status = W_EXITCODE(0, SIGSYS);
}

// No process makes calls any more, but for those that the program was to leave. One that was killed while it read hostile memory may end
// late, and is not waited for without end.
bool Task::denials_are_done() {
  if (denials_.pid() == 0) return true;
  const pid_t pid = denials_.pid();
  if (leaves_others() && denials_.leave()) {
    supervisor_.forget_process(pid);
    denials_watch_.stop();
    return true;
  }
  denials_.kill();
  retry_.start(supervisor_.loop(), monotonic_ns() + kPatience, [this] {
    supervisor_.forget_process(denials_.pid());
    denials_watch_.stop();
    denials_.forget();
    finish_when_empty();
  });
  return false;
}

void Task::denials_ended() {
  read_denials(kAllDenials);
  denials_watch_.stop();
  retry_.stop();
  const bool is_fine = denials_.ended();
  if (run_.has_exit || has_failed_) return finish_when_empty();
  // without it the filter's kills would be refusals, and nothing would be told
  if (!is_fine) fail({kInEnd, 0, ECHILD, "the process that answers refused calls has died"});
}

}  // namespace nacelle
