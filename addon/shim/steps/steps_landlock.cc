#include <fcntl.h>

#include <string>

#include "../kernel/landlock.h"
#include "../modes/guard.h"
#include "steps.h"

namespace nacelle {
namespace {

int allow_beneath(int ruleset, int path, uint64_t rights) {
  LandlockPath rule;
  rule.allowed = rights;
  rule.parent = path;
  return sys_landlock_add_rule(ruleset, kLandlockPathBeneath, &rule);
}

}  // namespace

int run(Context& context, const args::landlock_abi&) {
  const int abi = sys_landlock_abi();
  if (abi < 0) return abi;
  const std::string text = std::to_string(abi);
  context.output(text.data(), text.size());
  return 0;
}

int run(Context& context, const args::landlock_ruleset& a) {
  LandlockRuleset ruleset;
  ruleset.files = a.files;
  ruleset.ports = a.ports;
  ruleset.scopes = a.scopes;
  const int fd = sys_landlock_create_ruleset(ruleset);
  return fd < 0 ? fd : context.slots.put(a.out, unique_fd(fd));
}

int run(Context& context, const args::landlock_paths& a) {
  const int flags = O_PATH | O_CLOEXEC | (a.missing != 0 ? O_NOFOLLOW : 0);
  for (const Str& path : a.paths) {
    const unique_fd fd(open(path.text, flags));
    const bool is_missing = !fd && (errno == ENOENT || errno == ENOTDIR || errno == EACCES);
    if (is_missing && a.missing != 0) continue;
    const int result = fd ? allow_beneath(context.slots.get(a.ruleset), fd.get(), a.rights) : -errno;
    if (result < 0) return context.on(path.text, result);
  }
  return 0;
}

int run(Context& context, const args::landlock_folder& a) {
  return allow_beneath(context.slots.get(a.ruleset), context.slots.get(a.folder), a.rights);
}

int run(Context& context, const args::landlock_port& a) {
  const LandlockPort rule{a.rights, a.port};
  return sys_landlock_add_rule(context.slots.get(a.ruleset), kLandlockNetPort, &rule);
}

int run(Context& context, const args::landlock_restrict& a) { return sys_landlock_restrict_self(context.slots.get(a.ruleset)); }

int run(Context& context, const args::guard& a) {
  unique_fd guard;
  const int result = fork_guard(guard);
  if (result == -ECHILD) return context.failed(result, "it could not be set up");
  return result < 0 ? result : context.slots.put(a.out, std::move(guard));
}

int run(Context& context, const args::end_guarded& a) {
  // without a guard there was no program yet
  const int guard = context.slots.get(a.guard);
  if (guard < 0) return 0;
  const int result = end_guarded(guard);
  return result == -ECHILD ? context.failed(result, "the process that was to end them was killed") : result;
}

}  // namespace nacelle
