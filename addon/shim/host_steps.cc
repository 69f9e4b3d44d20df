#include "host_steps.h"

#include "steps.h"

namespace nacelle {

HostSteps::Outcome HostSteps::run(Context& context, bool last_try, StepFailure& failure) {
  StepHead head;
  for (Reader ahead = left_; next_step(ahead, head); left_ = ahead, ++index_) {
    const int result = child_only(head.op) ? -EPROTO : interpret(context, head.op, head.arguments);
    if (result >= 0) continue;
    const bool waits = head.op == Op::kill_group || head.op == Op::remove_group || head.op == Op::remove_folder;
    if (result == -EBUSY && waits && !last_try) return Outcome::kBusy;
    failure = StepFailure{where_, index_, -result, context.text};
    return Outcome::kFailed;
  }
  return Outcome::kDone;
}

void HostSteps::skip() {
  StepHead head;
  if (next_step(left_, head)) ++index_;
}

}  // namespace nacelle
