#pragma once

#include "../kernel/unique_fd.h"
#include "front_call.h"
#include "front_plans.h"

namespace nacelle {

// How playing a plan has ended.
enum class Played : uint8_t {
  kDone,
  kRefused,  // and has told why
  kSentOn,   // the container's process was let go, and tells whether its program runs
  kFailed,   // the planner does the command again, and tells what fails then
};

// What a plan is played with.
struct Playing {
  const FrontCall& call;
  const FrontPlans& plans;
  int root;        // the folder of all states
  int folder;      // of the container's state
  int process;     // a pidfd of the container's first process; -1 where that has ended
  unique_fd told;  // of kSentOn: the pipe in which that process tells
};

Played play(Playing& playing, const FrontPlan& plan);

}  // namespace nacelle
