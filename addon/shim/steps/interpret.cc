#include <cerrno>
#include <type_traits>

#include "resolve.h"
#include "steps.h"

namespace nacelle {
namespace {

template <typename Arguments, typename = void>
struct is_in_root : std::false_type {};
template <typename Arguments>
struct is_in_root<Arguments, std::void_t<decltype(Arguments::root), decltype(Arguments::path)>> : std::true_type {};

template <typename Arguments, typename = void>
struct is_on_ground : std::false_type {};
template <typename Arguments>
struct is_on_ground<Arguments, std::void_t<decltype(Arguments::on)>> : std::true_type {};

bool may_be_link(int error) { return error == -ELOOP || error == -ENOENT || error == -ENOTDIR; }

template <typename Arguments>
int decoded(Context& context, Reader& reader) {
  Arguments a;
  if (!args::decode(reader, a)) return -EPROTO;
  const int result = run(context, a);
  if constexpr (is_in_root<Arguments>::value) {
    if (may_be_link(result) && context.text[0] == '\0')
      find_bad_link(context.slots.get(a.root), a.path.text, context.text, sizeof context.text);
  }
  if constexpr (is_on_ground<Arguments>::value) {
    if (result == -EXDEV && context.text[0] == '\0') return leads_elsewhere(context, "");
  }
  return result;
}

// A step of the process's own course has no function.
template <typename Arguments, Side side>
int interpreted(Context& context, Reader& reader) {
  if constexpr (side == Side::flow) {
    return -EPROTO;
  } else {
    return decoded<Arguments>(context, reader);
  }
}

}  // namespace

int interpret(Context& context, Op op, Reader arguments) {
  context.text[0] = '\0';
  switch (op) {
#define STEP(name, side, call, what, ...) \
  case Op::name:                          \
    return interpreted<args::name, Side::side>(context, arguments);
#include "steps.def"
#undef STEP
  }
  return -EPROTO;
}

bool next_step(Reader& reader, StepHead& head) {
  Item item;
  if (!next_item(reader, item)) return false;
  head = {static_cast<Op>(item.number), item.host, item.fields};
  return true;
}

bool has_step(Reader steps, Op op) {
  for (StepHead head; next_step(steps, head);) {
    if (head.op == op) return true;
  }
  return false;
}

}  // namespace nacelle
