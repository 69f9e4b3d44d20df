#include "init.h"

#include <signal.h>
#include <sys/prctl.h>

#include "channel.h"
#include "syscalls.h"

namespace nacelle {
namespace {

void block_all_signals(sigset_t& all) {
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
}

// The program's pipes and files must end with the program, not with init.
void close_others(int channel, int started) {
  const auto low = static_cast<unsigned>(channel < started ? channel : started);
  const auto high = static_cast<unsigned>(channel < started ? started : channel);
  if (low > 0) sys_close_range(0, low - 1, 0);
  if (high > low + 1) sys_close_range(low + 1, high - 1, 0);
  sys_close_range(high + 1, ~0U, 0);
}

void tell(int channel, Signal signal, int value) {
  ChannelMessage message;
  message.signal = signal;
  message.value = value;
  // without a shim there is nobody to live for
  if (send_message(channel, message) < 0) _exit(126);
}

}  // namespace

int Init::fork() {
  int pair[2];
  if (pipe2(pair, O_CLOEXEC) < 0) return -errno;
  unique_fd read_end(pair[0]);
  unique_fd write_end(pair[1]);
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  // not clone3: the container's filter may already be loaded, and answers ENOSYS to that
  const auto pid = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (pid < 0) return -errno;
  if (pid == 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    started_ = std::move(write_end);  // close-on-exec: its end is the news
    return 1;
  }
  program_ = pid;
  started_ = std::move(read_end);
  return 0;
}

void Init::wait_for_exec() {
  char byte;
  while (read(started_.get(), &byte, 1) < 0 && errno == EINTR) {}
  started_.reset();
}

void Init::reap(int channel) {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid <= 0) return;
    if (pid != program_) continue;
    tell(channel, Signal::kProgramEnded, status);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
}

void Init::serve(int channel) {
  sigset_t all;
  block_all_signals(all);
  prctl(PR_SET_DUMPABLE, 0);
  close_others(channel, started_.get());
  wait_for_exec();
  tell(channel, Signal::kWorking, 0);
  reap(channel);  // a signal may have been merged with one that came before the mask
  for (;;) {
    siginfo_t info{};
    const int signal = sigwaitinfo(&all, &info);
    if (signal == SIGCHLD) {
      reap(channel);
    } else if (signal > 0) {
      kill(program_, signal);
    }
  }
}

}  // namespace nacelle
