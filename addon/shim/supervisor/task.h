#pragma once

#include <signal.h>
#include <sys/resource.h>

#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "../kernel/loop.h"
#include "../modes/denials_process.h"
#include "../steps/ops.h"
#include "../wire/message.h"
#include "../wire/plan.h"
#include "../wire/secret.h"
#include "../wire/trace.h"
#include "calls.h"
#include "clocks.h"
#include "events.h"
#include "health.h"
#include "host_steps.h"
#include "listeners.h"
#include "reports.h"
#include "run.h"

namespace nacelle {

class Client;
class Found;
class Saved;
class Supervisor;
class Translation;
struct ChannelMessage;

// One plan from its start to its end: the host's steps, the processes of its stages, its clocks, and what is undone.
//
//   (waiting) → set up → (parked) → running → ending → (kept → ending) → gone        a plan without stages: holding → ending → gone
//                 ▲                    ▼
//                 └───── between ◀─────┘   where the plan says how it starts again
class Task {
 public:
  // `key`: the number by which other clients than the one that starts the task ask for it.
  Task(Supervisor& supervisor, const Listener& starter, uint32_t key);
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  // A connection of its programs, or a question about a name.
  void refused(const egress::Refusal& refusal) { listeners_.tell(refused_event(refusal)); }
  uint32_t key() const { return key_; }
  pid_t pid() const { return run_.first; }
  // The pidfd of its first process, where only the watchdog ends that one when the shim dies (modes/watchdog.h); else -1.
  int watched() const { return is_watched_ ? run_.first_pidfd.get() : -1; }
  bool is_kept() const { return plan_.is_kept && told_started_; }
  TaskState state() const;

  // With `later` all that comes before the first process is done at once, and the process waits for go(), or for the rest of the plan.
  void start(Message& message, std::vector<unique_fd> ahead, bool later);
  void go();
  void rest(Message& message, std::vector<unique_fd> ahead);
  void release();
  // A task that is being undone takes no calls, so that nothing new is made; Node hears of its end instead.
  void call(const Listener& caller, Message& message, std::vector<unique_fd> ahead) {
    if (state_ != State::kEnding && state_ != State::kGone) calls_.start(caller, message, std::move(ahead));
  }
  void kill(const Listener& caller, Message& message);
  // A client has something to say to those who watch.
  void tell(const Message& message);
  void close();
  // One more client hears of the task, and may give it orders.
  void attach(const Listener& listener);
  // The client is gone. A task that has no other, and is not kept, kills its processes and undoes.
  void leave(const Client& client);
  // The shim has no client any more: ends a task that lives as long as there is one. False for any other.
  bool leave_last();

  // Ends the program's run, and starts the program again; at once, when the run has ended before.
  void again(const Message& message);
  void status(const Listener& caller, const Message& message);

  // For whoever keeps a task that no client hears of: calls `ended` once, with the task as it is then.
  void when_ended(std::function<void(const Task&)> ended) { when_ended_ = std::move(ended); }
  // For whoever has begun a plan without its rest: calls `waits` when that is waited for, `taken` when it has come, and `started` when the
  // program runs.
  struct PooledHooks {
    std::function<void()> waits, taken, started;
    std::function<void(const Task&)> ended;
  };
  void when_pooled(PooledHooks hooks) {
    when_waits_ = std::move(hooks.waits);
    when_taken_ = std::move(hooks.taken);
    when_started_ = std::move(hooks.started);
    when_ended_ = std::move(hooks.ended);
  }
  int exit_status() const { return run_.program_status; }
  Cause cause() const { return run_.cause; }
  // nullptr where nothing failed.
  const StepFailure* failure() const { return has_failed_ ? &failure_ : nullptr; }
  const std::vector<StepFailure>& undo_failures() const { return undo_failures_; }

  // Nothing is under way that another shim could not go on with.
  bool is_settled() const;
  // A check of health that runs just now is left out.
  void skip_check() { health_.skip(); }
  // `number_of`: the place of a client among those of find().
  void save(Saved& to, const std::function<uint64_t(const Client&)>& number_of) const;
  // Goes on with the task of the shim before. 0 or -errno.
  int find(const Found& found, const Translation& translation, const std::vector<Client*>& clients);

  // Handles the messages that the stages have sent.
  void read_channel();
  // Takes the end of `pid`, a process of this task, after the messages that came before it.
  void process_ended(pid_t pid);
  // Any child of the shim that no task knows has ended.
  void stranger_ended(const siginfo_t& info);
  bool setting_up() const { return state_ == State::kSetUp; }

 private:
  enum class State { kWaiting, kSetUp, kParked, kRunning, kBetween, kHolding, kEnding, kKept, kGone };
  void fail(StepFailure failure);
  int answer(const ChannelMessage& message, const int* fds, size_t count);
  bool take(Secret& body, Message& message, std::vector<unique_fd> ahead);
  bool fill_and_prepare();
  bool find_plan(const Found& found, const Translation& translation);
  int find_slots(const Found& found);
  int go_on(const Found& found);
  bool may_be_given_ahead(uint32_t& rest) const;
  void give_rest();
  int give(ChannelMessage& reply, const std::vector<int32_t>& filled);
  void start_first_stage();
  void new_process(pid_t pid, unique_fd pidfd);
  bool is_to_be_watched(uint32_t stage) const;
  void keep_watch(uint32_t stage);
  bool is_expected(const ChannelMessage& message) const;
  void heard(const ChannelMessage& message, unique_fd* fds, size_t count, int sender);
  void cloned(uint32_t stage, int sender);
  void parked();
  void executing();
  void hold_mounts();
  bool is_due(const ChannelMessage& message) const;
  // The number of the first step that the plan has of a stage.
  uint32_t first_index_of(uint32_t stage) const { return stage == rest_stage_ ? first_index_ : 0; }
  bool step_at(const ChannelMessage& message, StepHead& head) const;
  void run_host_steps_of(const ChannelMessage& message);
  void close_channel();
  void channel_closed();
  static StepFailure died_in_set_up(int signal);
  // ns, 0 for none.
  uint64_t set_up_of_timeout() const { return plan_.timeout_ns == 0 ? 0 : plan_.timeout_ns + kPatience; }
  uint64_t set_up_of_next() const { return plan_.set_up_ns > 0 ? plan_.set_up_ns : set_up_of_timeout(); }
  void limit_set_up(uint64_t limit);
  void began();
  void open_reports_early();
  void hand_over();
  void close_given();
  void answer_denials(const ChannelMessage& message);
  void watch_denials();
  void read_denials(size_t most);
  void denied(const Denial& denial, const std::string& whole);
  void take_violation();
  bool denials_are_done();
  void denials_ended();
  void watch_pump();
  void pump_told();
  void end_for_lost_copy();
  bool pump_is_done();
  void hurry_pump();
  void send_started(bool running);
  void end_by_clock(Cause cause);
  void blame(Cause cause);
  void take_status(const siginfo_t& info);
  void signal_tree();
  void signal_first(int signal);
  void finish_when_empty();
  void end_unheard();
  void tell_trace();
  bool leaves_others() const;
  int tree_is_populated();
  void give_up_on_tree(int left);
  void notice(NoticeKind kind, const std::string& body = {});
  void notice_start(bool running);
  void notice_kill(int signal);
  void notice_health();
  void notice_program_end();
  void finish();
  void stop_clocks();
  void tell_end_first();
  void finish_undoing();
  bool has_left_little() const;
  void close_mounts(std::function<void()> closed);
  bool comes_again() const;
  void end_run();
  void run_again();
  void forget_failed_run();
  void want_no_other_run();
  void stay_ended();
  void end_for_next_run(int signal, uint64_t patience_ns);
  void watch_health();
  void health_changed();
  void undo();
  void undo_step_ended();
  // The end is kept until the task is closed.
  bool stays() const { return is_kept() && !has_failed_; }
  End end() const;
  Message end_message();
  void ended();
  bool write_evidence(const std::string& end);
  void remove_kept();
  void removed();
  void close_slots();
  void gone();

  Supervisor& supervisor_;
  Listeners listeners_;
  const uint32_t key_;
  State state_ = State::kWaiting;

  Secret body_, rest_body_;
  Plan plan_, next_plan_;
  std::vector<unique_fd> next_fds_;
  std::vector<int32_t> given_;  // the slots whose descriptors came with the plan
  // of a plan in two parts: whether its rest has come, and whether the process waits for that
  bool has_rest_ = false, at_rest_ = false, is_given_ahead_ = false;
  // how many `prepare` steps the first part had, the stage in which it ends, and how many steps it had of that
  uint32_t prepared_ = 0, rest_stage_ = 0, first_index_ = 0;
  Slots slots_;
  Context context_;
  Trace trace_;
  size_t mark_ = Trace::kNone;  // of the program's run, then of the end of its tree
  std::string outputs_;

  unique_fd channel_;
  Watch channel_watch_, pump_watch_, denials_watch_;
  Denials denials_;
  std::vector<unique_fd> report_files_;  // those of plan_.reports, or none
  unique_fd mounts_;                     // the mount namespace of a program whose mounts go later
  std::unordered_set<pid_t> processes_;
  Run run_;
  StepFailure failure_;

  Clocks clocks_;
  Timer set_up_clock_, force_kill_, retry_;
  uint64_t deadline_ns_ = 0;
  bool told_started_ = false, has_failed_ = false, is_watched_ = false, is_closing_ = false, is_removing_ = false;
  bool is_end_told_ = false;
  bool is_again_asked_ = false, is_stopped_ = false;
  uint32_t restarts_ = 0, retries_ = 0;  // the latter: in a row, that nobody asked for
  // of a task that starts again: the run before, what its files of reports held when this run began, and the pause before the next one
  Run last_run_;
  std::vector<Report> before_;
  uint64_t delay_ns_ = 0;
  Timer next_run_;
  Health health_;
  std::function<void(const Task&)> when_ended_;
  std::function<void()> when_waits_, when_taken_, when_started_;
  Message end_;                                            // of a task that is kept
  std::vector<std::string> last_words_;                    // of clients, for those who watch
  HostSteps undo_;                                         // or the removal
  std::vector<StepFailure> undo_failures_, run_failures_;  // the latter: why another run could not be started
  Calls calls_;
};

}  // namespace nacelle
