#include <cerrno>

#include "steps.h"

namespace nacelle {

std::vector<Reader> KeptSteps::of(const args::run_steps& step) const {
  std::vector<Reader> found;
  for (auto at = lists_.lower_bound(step.first); at != lists_.end() && at->first <= step.last; ++at) {
    found.emplace_back(at->second.data(), at->second.size());
  }
  if (found.empty()) found.push_back(step.steps);
  return found;
}

int run(Context& context, const args::keep_steps& a) {
  context.kept.put(a.key, {a.steps.position(), static_cast<uint32_t>(a.steps.left())});
  return 0;
}

// While a process waits for it. Else HostSteps runs these steps as its own, since one of them may have to be tried again.
int run(Context& context, const args::run_steps& a) {
  for (Reader list : context.kept.of(a)) {
    for (StepHead head; next_step(list, head);) {
      const bool is_plain = runs_in_shim(head.op) && head.op != Op::run_steps;
      const int result = is_plain ? interpret(context, head.op, head.arguments) : -EPROTO;
      if (result < 0) return result;
    }
    if (!list.ok()) return -EPROTO;
  }
  return 0;
}

}  // namespace nacelle
