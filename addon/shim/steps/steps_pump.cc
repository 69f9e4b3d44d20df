#include "steps.h"

namespace nacelle {
namespace {

std::vector<int> descriptors_of(const Context& context, const List<int32_t>& slots) {
  std::vector<int> all;
  for (const int32_t slot : slots) all.push_back(context.slots.get(slot));
  return all;
}

// A copy of a pipe's end would keep the pipe open, and the container's process must have none of the files.
void close_all(Context& context, const List<int32_t>& slots) {
  for (const int32_t slot : slots) context.slots.close(slot);
}

}  // namespace

int run(Context& context, const args::pump& a) {
  const int result = context.pump.start(context.executable, descriptors_of(context, a.from), descriptors_of(context, a.to));
  close_all(context, a.from);
  close_all(context, a.to);
  return result;
}

int run(Context& context, const args::log& a) {
  return context.pump.start_log(context.executable, context.slots.get(a.folder), descriptors_of(context, a.from), a.bytes, a.segments);
}

}  // namespace nacelle
