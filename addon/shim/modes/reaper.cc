#include "reaper.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "../kernel/syscall_filter.h"
#include "../wire/channel.h"

namespace nacelle {
namespace {

void tell(Signal signal, int value) {
  ChannelMessage message;
  message.signal = signal;
  message.value = value;
  // the shim has ended, so init ends too
  if (send_message(kReaperChannel, message) < 0) _exit(126);
}

void let_go() {
  if (write(kReaperReady, "", 1) != 1) _exit(126);  // the program has died already, so init ends too
  close(kReaperReady);
}

void wait_for_exec() {
  char byte;
  while (read(kReaperStarted, &byte, 1) < 0 && errno == EINTR) {}
  close(kReaperStarted);
}

void reap(pid_t program) {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid <= 0) return;
    if (pid != program) continue;
    tell(Signal::kProgramEnded, status);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
}

// Whoever traces this process can have it make system calls, so a filter allows only those that it makes itself. These help nobody to get
// past a container's filter, or into the namespaces that this process is in.
void confine(pid_t program) {
  SyscallFilter filter;
  for (const uint32_t call : {SYS_wait4, SYS_rt_sigtimedwait, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit_group})
    filter.allow(call);
  if (program != 0) {
    for (const uint32_t call : {SYS_read, SYS_write, SYS_close}) filter.allow(call);
    filter.allow_with(SYS_sendmsg, 0, {kReaperChannel});
    filter.allow_with(SYS_kill, 0, {static_cast<uint32_t>(program)});
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || filter.install() < 0) _exit(126);
}

[[noreturn]] void serve(pid_t program) {
  sigset_t all;
  sigfillset(&all);
  confine(program);
  let_go();
  wait_for_exec();
  tell(Signal::kWorking, 0);
  reap(program);  // its SIGCHLD may have been merged with one that came before
  for (;;) {
    const int signal = sigwaitinfo(&all, nullptr);
    if (signal == SIGCHLD) {
      reap(program);
    } else if (signal > 0) {
      kill(program, signal);
    }
  }
}

[[noreturn]] void hold() {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, nullptr);
  confine(0);
  for (;;) {
    while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {}
    sigwaitinfo(&child, nullptr);
  }
}

}  // namespace

void reaper_main(const char* program) {
  // this comes before the program runs: without CAP_SYS_PTRACE the program then reaches neither this process nor the channel
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_NAME, kReaperName);
  if (program == nullptr) hold();
  serve(static_cast<pid_t>(std::strtol(program, nullptr, 10)));
}

}  // namespace nacelle
