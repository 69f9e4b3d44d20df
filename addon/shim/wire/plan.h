#pragma once

#include <array>
#include <vector>

#include "plan_parts.h"
#include "protocol.h"
#include "slots.h"
#include "wire.h"

namespace nacelle {

constexpr uint32_t kMaxStages = kInStagesAgain;

struct Stage {
  uint64_t flags = 0;
  int32_t group = -1;
  Reader steps;
};

// The slot of the memfd with a rest of a plan that is too long for a message: the last slot that a process can have.
constexpr int32_t kRestSlot = kMaxSlots - 1;

struct Stages {
  Stage items[kMaxStages];
  uint32_t count = 0;
};

// When the program is started again by itself.
enum class RestartOn : uint8_t { kNever, kFailure, kAlways };

// How the program is started again after its end. The slots are those of the whole plan.
struct Again {
  RestartOn on = RestartOn::kNever;
  uint32_t most = 0;        // how often in a row after failures; 0: without end
  uint64_t first_ns = 0;    // before the first new run; doubled for each one that follows soon
  uint64_t longest_ns = 0;  // what that grows to
  uint64_t lasting_ns = 0;  // a run of this length begins the count anew
  int stop_signal = 15;     // whoever sends it, or SIGKILL, wants no other run
  Reader prepare;
  Stages stages;
};

// What an unhealthy program comes to.
enum class HealthThen : uint8_t { kNone, kKill, kRestart };

// A check that is run beside the program again and again: a plan of its own, with slots for the program's pidfd and, twice, for the pipe
// that the check writes to.
struct HealthCheck {
  HealthThen then = HealthThen::kNone;
  uint32_t retries = 0;
  uint64_t interval_ns = 0;
  uint64_t start_period_ns = 0;    // failures do not count so long
  uint64_t start_interval_ns = 0;  // instead of `interval_ns`, so long
  FileAt frozen;                   // begins with '1' or 'F' while the program stands still
  Bytes plan;
};

// How calls are answered that the filter refuses by notification (modes/denials.h).
struct DenialRules {
  int32_t listener = -1;  // the slot that the process fills
  Bytes answers;
  Bytes looks;
  bool are_told = false;  // to clients
};

// The program's mounts are undone when its end has been told, and not by its last process as that dies.
struct LaterMounts {
  // Which of the reports say how much memory the tree has left; the end waits for the mounts where one of them says more than `most`, in
  // bytes. The first has to be there. None: the mounts are undone by the last process.
  std::array<uint64_t, 2> reports{};
  size_t count = 0;
  uint64_t most = 0;
};

// A plan as it came: readers into the message's own bytes, so that a cloned child can read one too. lib/plan/plan.ts says what the fields
// mean, and lib/native/encode.ts writes the parts.
struct Plan {
  List<int32_t> slots;  // of the descriptors that came with the plan
  uint32_t slot_count = 0;
  Reader prepare;
  Stages stages;
  Reader undo;
  List<FileAt> reports;
  List<int32_t> returns;
  LaterMounts later_mounts;
  FileAt kill_group;
  uint64_t timeout_ns = 0;
  uint64_t set_up_ns = 0;  // for a stage after the first, until its program runs; 0: the limit that timeout_ns has it get
  FileAt cpu_counter;
  uint64_t cpu_limit_ns = 0;
  Str cpu_key;
  uint64_t cpu_unit_ns = 1;
  uint64_t force_kill_after_ns = 0;
  int signal = 9;
  bool has_kill_group = false, has_cpu_clock = false, has_again = false, has_health = false, has_denials = false;
  // The task outlives its clients, and stays after its end until it is closed.
  bool is_kept = false;
  // It is removed at its end.
  bool auto_remove = false;
  // The task ends with its first process and leaves the others running; its client may go before.
  bool leaves_tree = false;
  // The task outlives the client that started it, and ends when the shim has no client any more.
  bool with_clients = false;
  // The task ends as soon as its program runs, and the program goes on without the shim: it is left to whoever reaps it.
  bool hands_over = false;
  // The end is told when the tree is gone, before the undo steps: kOver, then kUndone.
  bool tells_end_first = false;
  // Its clients are told when each of its steps began and ended.
  bool is_traced = false;
  FileAt evidence;  // the file that the end is written to
  Reader removal;
  Again again;
  HealthCheck health;
  DenialRules denials;
  Bytes words;  // for those who watch, when the program has started and when it has ended; none: nobody is told
};

bool parse_plan(const char* body, size_t size, Plan& plan);

std::vector<int32_t> numbers(const List<int32_t>& list);

// Puts the descriptors of a message, those that came ahead of it first, into their slots. 0 or -errno.
int fill_slots(Slots& slots, const std::vector<int32_t>& numbers, std::vector<unique_fd> ahead, std::vector<unique_fd>& fds);

}  // namespace nacelle
