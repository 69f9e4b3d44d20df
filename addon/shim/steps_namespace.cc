#include <linux/magic.h>
#include <sched.h>
#include <sys/statfs.h>

#include <cstring>

#include "procfs.h"
#include "steps.h"
#include "syscalls.h"

namespace nacelle {
namespace {

int namespace_flag(const char* type) {
  static constexpr struct {
    const char* name;
    int flag;
  } kTypes[] = {
      {"mnt", CLONE_NEWNS},  {"pid", CLONE_NEWPID},   {"net", CLONE_NEWNET},       {"ipc", CLONE_NEWIPC},
      {"uts", CLONE_NEWUTS}, {"user", CLONE_NEWUSER}, {"cgroup", CLONE_NEWCGROUP}, {"time", 0x80},
  };
  for (const auto& known : kTypes) {
    if (std::strcmp(known.name, type) == 0) return known.flag;
  }
  return -EINVAL;
}

}  // namespace

int run(Context& context, const args::setns& a) {
  const int flag = namespace_flag(a.type.text);
  return flag < 0 ? flag : checked_int(::setns(context.slots.get(a.ns), flag));
}

int run(Context&, const args::unshare& a) { return checked_int(::unshare(static_cast<int>(a.flags))); }

int run(Context& context, const args::open_namespace& a) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/ns/%s", context.process, a.type.text);
  const int fd = checked_int(::open(path, O_RDONLY | O_CLOEXEC));
  return fd < 0 ? fd : context.slots.put(a.out, unique_fd(fd));
}

int run(Context& context, const args::write_process& a) {
  char path[96];
  std::snprintf(path, sizeof path, "/proc/%d/%s", context.process, a.path.text);
  return write_procfs(AT_FDCWD, path, a.bytes.data, a.bytes.size);
}

}  // namespace nacelle
