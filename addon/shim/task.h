#pragma once

#include <sys/resource.h>

#include <list>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "host_steps.h"
#include "loop.h"
#include "message.h"
#include "plan.h"

namespace nacelle {

class Supervisor;
class Client;
struct ChannelMessage;

// One plan from its start to its end: the host's steps, the processes of its stages, its clocks, and what is undone.
//
//   prepare → set up → (parked) → running → ending → gone        a plan without stages: prepare → holding → ending → gone
class Task {
 public:
  Task(Supervisor& supervisor, Client& client, uint32_t id) : supervisor_(supervisor), client_(&client), id_(id), context_(slots_) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task();

  uint32_t id() const { return id_; }

  void start(Message& message, std::vector<unique_fd> ahead);
  void release();
  void call(Message& message, std::vector<unique_fd> ahead);
  void kill(Message& message);
  void close();
  // The client is gone: kill, undo, and tell nobody.
  void abandon();

  // Says what the stages have told; then, when `pid` is one of its own, takes its end.
  void read_channel();
  void process_ended(pid_t pid);
  bool setting_up() const { return state_ == State::kSetUp; }

 private:
  enum class State { kPreparing, kSetUp, kParked, kRunning, kHolding, kEnding, kGone };
  // Host steps that Node asked for while the task lives.
  struct Call {
    uint32_t sequence = 0;
    std::string body;
    HostSteps steps;
    std::vector<int32_t> returns;
    std::string outputs;
    uint32_t output_count = 0;
    uint64_t deadline_ns = 0;
    Timer retry;
  };

  void fail(StepFailure failure);
  void start_first_stage();
  void heard(const ChannelMessage& message, unique_fd* fds, size_t count, int sender);
  void run_host_steps_of(const ChannelMessage& message);
  void channel_closed();
  void began();
  void close_given();
  void send_started(bool running);
  void start_clocks();
  void check_cpu();
  void end_by_clock(Cause cause);
  void blame(Cause cause);
  void signal_tree();
  void signal_first(int signal);
  void run_call(Call& call, bool last_try);
  void call_step_ended(Call& call);
  void call_done(const Call& call, const StepFailure* failure);
  void finish_when_empty();
  bool tree_is_gone();
  void finish();
  void undo();
  void undo_step_ended();
  void send_end();
  void reply(const Call& call, const StepFailure* failure);
  void add_results(Message& message, uint32_t output_count, const std::string& outputs, const std::vector<int32_t>& returns);
  Message event(Event type) const;
  void tell(Message message);

  Supervisor& supervisor_;
  Client* client_;
  const uint32_t id_;
  State state_ = State::kPreparing;

  std::string body_;
  Plan plan_;
  Slots slots_;
  Context context_;
  std::string outputs_;

  unique_fd channel_;
  Watch channel_watch_;
  std::unordered_set<pid_t> processes_;
  pid_t first_ = 0;  // the process of the newest stage
  unique_fd first_pidfd_;
  bool executing_ = false, told_started_ = false, has_failed_ = false;
  StepFailure failure_;

  Timer wall_clock_, cpu_clock_, force_kill_, retry_;
  Cause cause_ = Cause::kNone;
  bool has_exit_ = false, program_told_ = false;
  int program_status_ = 0;  // as waitpid
  uint64_t started_real_ns_ = 0, started_ns_ = 0, ended_ns_ = 0, deadline_ns_ = 0;
  struct rusage usage_ {};
  std::vector<std::pair<bool, std::string>> reports_;
  HostSteps undo_;
  std::vector<StepFailure> undo_failures_;
  std::list<std::unique_ptr<Call>> calls_;
};

}  // namespace nacelle
