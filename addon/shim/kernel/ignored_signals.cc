#include "ignored_signals.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <iterator>

namespace nacelle {
namespace {

// What a terminal, or a service manager, sends to everything that it has started; and SIGPIPE, in whose place a write fails.
constexpr int kIgnored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGUSR1, SIGUSR2};
constexpr int kLast = 64;

// The kernel's struct sigaction. libc keeps signals 32 and 33 for itself, which posix_spawn has left ignored: so these are the system calls
// themselves.
struct Action {
  void (*handler)(int) = SIG_DFL;
  unsigned long flags = 0;
  void (*restorer)() = nullptr;
  uint64_t mask = 0;
};

long set_action(int signal, const Action& action) { return syscall(SYS_rt_sigaction, signal, &action, nullptr, sizeof action.mask); }

bool is_ignored(int signal) {
  Action action;
  return syscall(SYS_rt_sigaction, signal, nullptr, &action, sizeof action.mask) == 0 && action.handler == SIG_IGN;
}

}  // namespace

int ignore_signals() {
  Action ignored;
  ignored.handler = SIG_IGN;
  for (int signal = 1; signal <= kLast; ++signal) {
    const bool is_ours = std::find(std::begin(kIgnored), std::end(kIgnored), signal) != std::end(kIgnored);
    // a handler is a sanitizer's, and ends with the execve of a program
    if (!is_ours && !is_ignored(signal)) continue;
    if (set_action(signal, is_ours ? ignored : Action{}) < 0) return -errno;
  }
  return 0;
}

void restore_default_signals() {
  // these can't fail: the signals and the mask are valid
  for (const int signal : kIgnored) static_cast<void>(set_action(signal, Action{}));
  sigset_t none;
  static_cast<void>(sigemptyset(&none));
  static_cast<void>(sigprocmask(SIG_SETMASK, &none, nullptr));
}

}  // namespace nacelle
