#include "steps.h"

namespace nacelle {

int run(Context& context, const args::pump& a) {
  std::vector<int> from, to;
  for (const int32_t slot : a.from) from.push_back(context.slots.get(slot));
  for (const int32_t slot : a.to) to.push_back(context.slots.get(slot));
  const int result = context.pump.start(context.executable, from, to);
  // a copy of a pipe's end would keep the pipe open, and the container's process must have none of the files
  for (const List<int32_t>* slots : {&a.from, &a.to}) {
    for (const int32_t slot : *slots) context.slots.close(slot);
  }
  return result;
}

}  // namespace nacelle
