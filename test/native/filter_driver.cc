#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "../../addon/shim/kernel/syscall_filter.h"

// A filter of our own processes in a child of this one: writes a line for each child, how it was tried and the signal that killed it, or 0.
// For tests.
namespace {

using nacelle::SyscallFilter;

// Of getpriority(2) the kernel looks at the first argument, and at the second where that is 0.
void ask(int which, int who) { syscall(SYS_getpriority, which, who); }

int install(SyscallFilter& filter) {
  filter.allow(SYS_exit_group);
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : filter.install();
}

// Has a child fill a filter, load it, give up its memory, and then make a call.
void in_child(const char* name, const std::function<void(SyscallFilter&)>& fill, const std::function<void()>& call) {
  const pid_t pid = fork();
  if (pid < 0) std::exit(1);
  if (pid == 0) {
    {
      SyscallFilter filter;
      fill(filter);
      if (install(filter) < 0) _exit(1);
    }
    call();
    _exit(0);
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || (WIFEXITED(status) && WEXITSTATUS(status) != 0)) std::exit(1);
  std::printf("%s: %d\n", name, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  std::fflush(stdout);
}

}  // namespace

int main() {
  in_child(
      "no call", [](SyscallFilter&) {}, [] {});
  in_child(
      "another call", [](SyscallFilter&) {}, [] { syscall(SYS_getppid); });
  in_child(
      "an allowed call", [](SyscallFilter& filter) { filter.allow(SYS_getppid); }, [] { syscall(SYS_getppid); });
  const auto one = [](SyscallFilter& filter) { filter.allow_with(SYS_getpriority, 0, {0, 2}); };
  in_child("the first value", one, [] { ask(0, 0); });
  in_child("the last value", one, [] { ask(2, 0); });
  in_child("another value", one, [] { ask(1, 0); });
  const auto two = [](SyscallFilter& filter) { filter.allow_with(SYS_getpriority, 0, {0, 2}, 1, 7); };
  in_child("the first value and the other argument", two, [] { ask(0, 7); });
  in_child("the last value and the other argument", two, [] { ask(2, 7); });
  in_child("another value and the other argument", two, [] { ask(1, 7); });
  in_child("a value and a wrong other argument", two, [] { ask(2, 8); });
  const auto without = [](SyscallFilter& filter) { filter.allow_without(SYS_getpriority, 0, 6); };
  in_child("none of the bits", without, [] { ask(1, 0); });
  in_child("one of the bits", without, [] { ask(3, 0); });
  SyscallFilter long_one;
  for (uint32_t call = 1000; call < 2000; ++call) long_one.allow(call);
  std::printf("too long: %d\n", install(long_one));
  return 0;
}
