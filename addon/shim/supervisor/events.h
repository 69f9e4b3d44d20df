#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <string>
#include <vector>

#include "../egress/refusals.h"
#include "../wire/message.h"
#include "../wire/trace.h"
#include "host_steps.h"
#include "reports.h"

// The messages that tell Node of a task. lib/native/messages.ts reads their bodies. Whoever sends one fills in the id.
namespace nacelle {

// The results of host steps: their outputs, and the slots whose descriptors Node asks for.
struct Results {
  uint32_t output_count = 0;
  const std::string& outputs;
  const Slots& slots;
  const std::vector<int32_t>& returns;
};

struct Times {
  uint64_t started_ns = 0;
  uint64_t started_real_ns = 0;
  uint64_t ended_ns = 0;
};

// The call for which a filter had a program killed.
struct Violation {
  bool has_happened = false;
  uint32_t arch = 0;  // AUDIT_ARCH_*
  int32_t call = 0;
};

struct End {
  const StepFailure* failure = nullptr;
  const std::vector<StepFailure>& undo_failures;
  const std::vector<StepFailure>& run_failures;  // why another run could not be started
  bool never_began = false;
  int status = 0;  // a wait status, as waitpid(2) gives it
  Cause cause = Cause::kNone;
  Times times;
  const struct rusage& usage;
  const std::vector<Report>& reports;
  const std::vector<Report>& before;     // the same files when this run began, of a program that was started again
  const std::vector<PumpFailure>& lost;  // copies of the caller's files that failed
  const Violation& violation;
};

// kStarted with results, kRunning without. 0, or -EMFILE when a descriptor can't be handed out.
int started_event(bool running, pid_t pid, const Times& times, const Results* results, Message& message);
// The answer to a call that is done and has no results.
Message called_event(uint32_t sequence);
// The answer to a call, with its results; returns as started_event.
int called_event(uint32_t sequence, const Results& results, Message& message);
Message refused_event(uint32_t sequence, const StepFailure& failure);
Message end_event(const End& end);
// An end that another run follows, in so many ns.
Message died_event(const End& end, uint64_t delay_ns);
// What the process of modes/denials.h has told, as it is.
Message denied_event(const std::string& denial);
Message refused_event(const egress::Refusal& refusal);
// When each step of a task began and ended.
Message traced_event(const Trace& trace);
// The end of a task whose undo steps have not run yet; else as end_event.
Message over_event(const End& end);
// What could not be undone of a task whose end was told before; else as removed_event.
Message undone_event(const std::vector<StepFailure>& failures);
// The answer to a task's removal, with what could not be removed.
Message removed_event(const std::vector<StepFailure>& failures);
// One of a pool that nobody has taken has gone. `failure`: why it could not be made, or null.
Message spent_event(const std::string& name, bool has_begun, const StepFailure* failure, const std::vector<StepFailure>& undo_failures);
// The answer to kAttach: what the task is at, or that there is none of that key.
Message attached_event(TaskState state, pid_t pid, const Times& times);
Message not_attached_event();
// The answer to kUpgrade.
Message upgraded_event(int error, const char* why);

}  // namespace nacelle
