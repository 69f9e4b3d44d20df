#include <cerrno>

#include "step_words.h"
#include "steps.h"

namespace nacelle {

std::vector<KeptList> KeptSteps::of(const args::run_steps& step) const {
  std::vector<KeptList> found;
  for (auto at = lists_.lower_bound(step.first); at != lists_.end() && at->first <= step.last; ++at) {
    found.push_back({at->second, Reader(at->second->data(), at->second->size())});
  }
  if (found.empty()) found.push_back({nullptr, step.steps});
  return found;
}

int run(Context& context, const args::keep_steps& a) {
  Reader steps = a.steps;
  for (StepHead head; next_step(steps, head);) {
    if (!may_be_kept(head.op)) return context.failed(-EPROTO, "a step is not one to be kept");
  }
  if (!steps.ok()) return -EPROTO;
  context.kept.put(a.key, {a.steps.position(), static_cast<uint32_t>(a.steps.left())});
  return 0;
}

// While a process waits for it. Else HostSteps runs these steps as its own, since one of them may have to be tried again.
int run(Context& context, const args::run_steps& a) {
  for (KeptList& list : context.kept.of(a)) {
    for (StepHead head; next_step(list.left, head);) {
      const int result = may_be_kept(head.op) ? interpret(context, head.op, head.arguments) : -EPROTO;
      if (result < 0) return name_failure(context, head), result;
    }
    if (!list.left.ok()) return -EPROTO;
  }
  return 0;
}

}  // namespace nacelle
