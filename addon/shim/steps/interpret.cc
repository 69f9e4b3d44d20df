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

}  // namespace

int interpret(Context& context, Op op, Reader arguments) {
  context.text[0] = '\0';
  switch (op) {
#define STEP(name, what, ...) \
  case Op::name:              \
    return decoded<args::name>(context, arguments);
#include "steps.def"
#undef STEP
  }
  return -EPROTO;
}

bool next_step(Reader& reader, StepHead& head) {
  if (!reader.ok() || reader.done()) return false;
  head.op = static_cast<Op>(reader.u8());
  head.host = reader.u8() != 0;
  const uint32_t size = reader.u32();
  head.arguments = reader.part(size);
  return reader.ok();
}

bool child_only(Op op) {
  switch (op) {
    case Op::reopen:
    case Op::give:
    case Op::chown:
    case Op::setns:
    case Op::unshare:
    case Op::clone:
    case Op::pivot:
    case Op::set_propagation:
    case Op::join_group:
    case Op::join_above:
    case Op::link_up:
    case Op::sethostname:
    case Op::setdomainname:
    case Op::sysctl:
    case Op::rlimit:
    case Op::scheduler:
    case Op::oom_score_adj:
    case Op::umask:
    case Op::setsid:
    case Op::keyring:
    case Op::chdir:
    case Op::stdio:
    case Op::user:
    case Op::save_user:
    case Op::restore_user:
    case Op::keep_capabilities:
    case Op::bound_capabilities:
    case Op::capabilities:
    case Op::no_new_privileges:
    case Op::dumpable:
    case Op::parent_death_signal:
    case Op::seccomp:
    case Op::init:
    case Op::rest:
    case Op::park:
    case Op::exec:
    case Op::copy_out:
    case Op::unpack_filter:
    case Op::unpack:
    case Op::pack:
    case Op::changes:
    case Op::pause:
      return true;
    default:
      return false;
  }
}

bool host_only(Op op) {
  switch (op) {
    case Op::open_namespace:
    case Op::write_process:
    case Op::inherit_cpuset:
    case Op::release_real_time:
    case Op::allow_device:
    case Op::forget:
    case Op::load_device_filter:
    case Op::attach_device_filter:
    case Op::lock:
    case Op::read:
    case Op::netlink:
    case Op::remove_links:
    case Op::share_folder:
    case Op::pump:
    case Op::refuse_descriptors:
      return true;
    default:
      return false;
  }
}

}  // namespace nacelle
