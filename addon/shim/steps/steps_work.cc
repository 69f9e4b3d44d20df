#include <utility>

#include "../layer/changes.h"
#include "../layer/folder.h"
#include "../layer/pack.h"
#include "../layer/unpack.h"
#include "../layer/work_filter.h"
#include "../modes/init.h"
#include "copy_out.h"
#include "steps.h"

// Work that a confined child does instead of executing a program.
namespace nacelle {
namespace {

std::vector<int> descriptors(const Context& context, const List<int32_t>& slots) {
  std::vector<int> result;
  for (const int32_t slot : slots) result.push_back(context.slots.get(slot));
  return result;
}

std::vector<const char*> pointers(const List<Str>& list) {
  std::vector<const char*> result;
  for (const Str& item : list) result.push_back(item.text);
  return result;
}

int explained(Context& context, int result, const Failure& why) {
  return result < 0 && why.text[0] != '\0' ? context.failed(result, why.text) : result;
}

}  // namespace

int run(Context& context, const args::copy_out& a) {
  return copy_out_of(context.slots.get(a.root), a.paths, context.slots.get(a.to), a.max);
}

int run(Context& context, const args::work_filter& a) {
  Work work;
  if (!find_work(a.work.text, work)) return context.failed(-EINVAL, "no work is called so");
  layer::allow_many_descriptors();  // this comes first, since the filter does not allow the call
  return allow_calls_of(work, context.channel, a.output < 0 ? -1 : context.slots.get(a.output));
}

int run(Context& context, const args::unpack& a) {
  const std::vector<const char*> list = pointers(a.options);
  UnpackOptions options;
  if (parse_unpack_options(list.data(), list.size(), options) < 0) return context.failed(-EINVAL, "unknown option");
  const std::vector<int> lower = descriptors(context, a.lower);
  Failure why;
  const int result = unpack_layer(context.slots.get(a.input), context.slots.get(a.root), lower.data(), lower.size(), options, why);
  return explained(context, result, why);
}

int run(Context& context, const args::pack& a) {
  const std::vector<const char*> list = pointers(a.options);
  PackOptions options;
  if (parse_pack_options(list.data(), list.size(), options) < 0) return context.failed(-EINVAL, "unknown option");
  const std::vector<int> lower = descriptors(context, a.lower);
  const int upper = context.slots.get(a.upper), output = context.slots.get(a.output);
  Failure why;
  return explained(context, pack_layer(upper, lower.data(), lower.size(), output, std::move(options), why), why);
}

int run(Context& context, const args::changes& a) {
  const std::vector<const char*> list = pointers(a.options);
  ChangesOptions options;
  if (parse_changes_options(list.data(), list.size(), options) < 0) return context.failed(-EINVAL, "unknown option");
  const std::vector<int> lower = descriptors(context, a.lower);
  const int upper = context.slots.get(a.upper), output = context.slots.get(a.output);
  Failure why;
  return explained(context, list_changes(upper, lower.data(), lower.size(), output, std::move(options), why), why);
}

int run(Context& context, const args::pause&) { return hold_namespaces(context.executable); }

}  // namespace nacelle
