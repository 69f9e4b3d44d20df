#include "init.h"

#include <linux/capability.h>
#include <signal.h>
#include <sys/syscall.h>

#include <cstdio>

#include "../kernel/syscalls.h"
#include "reaper.h"

namespace nacelle {
namespace {

int make_pipe(unique_fd& read_end, unique_fd& write_end) {
  int pair[2];
  if (pipe2(pair, O_CLOEXEC) < 0) return -errno;
  read_end.reset(pair[0]);
  write_end.reset(pair[1]);
  return 0;
}

// A process that may not read the file that it executes is not dumpable from the first instruction on, so that no other process gets at
// its descriptors. Only capabilities let it read the shim's file: it drops them, and execve gives those of root back.
int lose_right_to_read() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) < 0) return -errno;
  for (__user_cap_data_struct& part : data) part.effective = 0;
  return checked_int(syscall(SYS_capset, &header, data));
}

// Executes the shim's file with only the first `kept` descriptors. The file is given by descriptor, since /proc is the container's.
int execute(int executable, const char* program, unsigned kept) {
  const int closed = sys_close_range(kept, ~0U, CLOSE_RANGE_CLOEXEC);
  if (closed < 0) return closed;
  const int unread = lose_right_to_read();
  if (unread < 0) return unread;
  const char* const argv[] = {kReaperName, program, nullptr};
  const char* const env[] = {nullptr};
  return checked_int(syscall(SYS_execveat, executable, "", argv, env, AT_EMPTY_PATH));
}

// Waits until init runs. False when it could not be executed, which it reports itself.
bool wait_until_ready(int ready) {
  char byte;
  ssize_t size;
  do {
    size = read(ready, &byte, 1);
  } while (size < 0 && errno == EINTR);
  return size == 1;
}

}  // namespace

int fork_init(int executable, int channel) {
  unique_fd started, starts, ready, readies;
  int result = make_pipe(started, starts);
  if (result == 0) result = make_pipe(ready, readies);
  if (result < 0) return result;
  // signals that come from now on stay pending until init takes them
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  // not clone3: the container's filter may already be loaded, and answers ENOSYS to that
  const auto program = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (program < 0) return -errno;
  if (program == 0) {
    readies.reset();
    static_cast<void>(starts.release());  // stays open until execve closes it, which tells init that the program runs
    if (!wait_until_ready(ready.get())) _exit(126);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    return 0;
  }
  // this also closes init's copies of the program's streams, which must end with the program, not with init
  if (dup2(channel, kReaperChannel) < 0 || dup2(started.get(), kReaperStarted) < 0 || dup2(readies.get(), kReaperReady) < 0) return -errno;
  char number[16];
  std::snprintf(number, sizeof number, "%d", program);
  return execute(executable, number, 3);
}

// Keeps no descriptor, not even 0, 1 and 2, which are the host's null device.
int hold_namespaces(int executable) { return execute(executable, nullptr, 0); }

}  // namespace nacelle
