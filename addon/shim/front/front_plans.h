#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "container_status.h"
#include "front_steps.h"

// What `create` has left for the commands that need no Node: for each command, and each status of the container, a list of steps.
// TypeScript writes the text (lib/runtime-cli/front/plans-text.ts).
namespace nacelle {

// Which file the record was, so that plans are never played about another one.
struct RecordSeen {
  uint64_t inode = 0, size = 0, changed_ns = 0;
};

struct FrontPlan {
  Status status = Status::kStopped;
  std::string command;
  std::vector<FrontStep> steps;
};

// A command that comes after others that have the lock, and whose lock that is.
struct Turn {
  std::string command, lock;
};

struct FrontPlans {
  RecordSeen record;
  ContainerSeen container;
  std::vector<Turn> turns;
  std::vector<FrontPlan> plans;

  // nullptr where there is none: the planner knows what to do then.
  const FrontPlan* find(std::string_view command, Status status) const;
  // nullptr for a command that waits for no other.
  const std::string* lock_of(std::string_view command) const;
};

// False for a text with anything that this front does not know.
bool read_front_plans(std::string_view text, FrontPlans& plans);

}  // namespace nacelle
