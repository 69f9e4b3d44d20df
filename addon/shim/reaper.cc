#include "reaper.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "channel.h"

namespace nacelle {
namespace {

void tell(Signal signal, int value) {
  ChannelMessage message;
  message.signal = signal;
  message.value = value;
  // without a shim there is nobody to live for
  if (send_message(kReaperChannel, message) < 0) _exit(126);
}

void let_go() {
  if (write(kReaperReady, "", 1) != 1) _exit(126);  // the program is dead already, which ends this one as well
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

[[noreturn]] void serve(pid_t program) {
  sigset_t all;
  sigfillset(&all);
  let_go();
  wait_for_exec();
  tell(Signal::kWorking, 0);
  reap(program);  // a signal may have been merged with one that came before
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
  for (;;) {
    while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {}
    sigwaitinfo(&child, nullptr);
  }
}

}  // namespace

void reaper_main(const char* program) {
  // before the program runs: without CAP_SYS_PTRACE it gets neither at this process nor at the channel
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_NAME, kReaperName);
  if (program == nullptr) hold();
  serve(static_cast<pid_t>(std::strtol(program, nullptr, 10)));
}

}  // namespace nacelle
