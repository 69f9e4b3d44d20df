#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../wire/protocol.h"
#include "events.h"
#include "reports.h"

namespace nacelle {

// What a task knows of one run of its program: a task whose plan says how it starts again has one after the other.
struct Run {
  pid_t first = 0;                      // the process of the newest stage
  uint32_t stage = 0, heard_index = 0;  // the newest stage, and the step at which it last reported to be
  unique_fd first_pidfd;
  bool is_draining = false;  // no process of the tree is left, but the pump still copies
  bool executing = false;
  int stranger_signal = 0;  // which killed the newest process that no message has told of: it may be the next stage
  Cause cause = Cause::kNone;
  bool has_exit = false;
  // Whether init has reported its program's end, and whether a kill came after that report. The report counts only when init then exits
  // with that status, since a program could forge the message.
  bool program_told = false, blamed_after_told = false;
  int program_status = 0;                // a wait status, as waitpid(2) gives it
  Violation violation, violation_below;  // of the first process, and of a child of its
  Times times;
  uint64_t tree_deadline_ns = 0;     // 0: nobody waits for the tree yet
  uint64_t pause_ns = kMillisecond;  // until the tree is looked at again
  struct rusage usage {};
  std::vector<Report> reports;
};

}  // namespace nacelle
