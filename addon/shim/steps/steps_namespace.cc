#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include <cstring>

#include "../kernel/procfs.h"
#include "../kernel/syscalls.h"
#include "steps.h"

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

// Whether the process has ended and was not reaped yet.
bool is_zombie(pid_t pid) {
  siginfo_t info{};
  return sys_waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, nullptr) == 0 && info.si_pid == pid;
}

// Whether a process has no namespace of a type any more, where one could not be opened: only a process that exits has none of a type that
// this process has.
bool is_ending(pid_t pid, const char* type) {
  if (is_zombie(pid)) return true;
  char own[64];
  const int length = std::snprintf(own, sizeof own, "/proc/self/ns/%s", type);
  return length > 0 && static_cast<size_t>(length) < sizeof own && ::access(own, F_OK) == 0;
}

// A path below /proc/PID of the stage's process. That is a child of this process, so its pid is its own until it is reaped, and
// context.process is 0 after that.
template <size_t N>
int process_path(const Context& context, const char* folder, const char* name, char (&path)[N]) {
  if (context.process == 0) return -ESRCH;
  const int length = std::snprintf(path, N, "/proc/%d/%s%s", context.process, folder, name);
  return length < 0 || static_cast<size_t>(length) >= N ? -ENAMETOOLONG : 0;
}

}  // namespace

int run(Context& context, const args::setns& a) {
  const int flag = namespace_flag(a.type.text);
  return flag < 0 ? flag : checked_int(::setns(context.slots.get(a.ns), flag));
}

int run(Context&, const args::unshare& a) { return checked_int(::unshare(static_cast<int>(a.flags))); }

int run(Context& context, const args::open_namespace& a) {
  char path[64];
  const int result = process_path(context, "ns/", a.type.text, path);
  if (result < 0) return result;
  const int fd = checked_int(::open(path, O_RDONLY | O_CLOEXEC));
  if (fd == -ENOENT && is_ending(context.process, a.type.text)) return -ESRCH;
  return fd < 0 ? fd : context.slots.put(a.out, unique_fd(fd));
}

int run(Context& context, const args::open_process& a) {
  if (context.process == 0 || is_zombie(context.process)) return -ESRCH;
  const int fd = sys_pidfd_open(context.process);
  return fd < 0 ? fd : context.slots.put(a.out, unique_fd(fd));
}

int run(Context& context, const args::require_running& a) {
  pollfd process{context.slots.get(a.process), POLLIN, 0};
  const int ended = checked_int(poll(&process, 1, 0));
  return ended > 0 ? -ESRCH : ended;
}

int run(Context& context, const args::join_process& a) {
  return checked_int(::setns(context.slots.get(a.process), static_cast<int>(a.flags)));
}

int run(Context& context, const args::write_process& a) {
  char path[96];
  const int result = process_path(context, "", a.path.text, path);
  return result < 0 ? result : write_procfs(AT_FDCWD, path, a.bytes.data, a.bytes.size);
}

}  // namespace nacelle
