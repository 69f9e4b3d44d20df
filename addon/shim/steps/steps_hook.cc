#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "../kernel/memfd.h"
#include "../kernel/syscalls.h"
#include "steps.h"

// Hooks of a bundle (runtime-spec, "POSIX-platform Hooks"), which the container's process runs as its children before its program.
namespace nacelle {
namespace {

// How much of what a failed hook wrote is told.
constexpr size_t kTold = 300;

std::vector<char*> pointers(const List<Str>& list) {
  std::vector<char*> all;
  for (const Str& item : list) all.push_back(const_cast<char*>(item.text));
  all.push_back(nullptr);
  return all;
}

// Waits for the end of the child; a child that lasts longer than `timeout` ns is killed. Its wait status, or -ETIMEDOUT, or -errno.
int await_end(pid_t pid, uint64_t timeout) {
  const unique_fd pidfd(sys_pidfd_open(pid));
  if (!pidfd) return -errno;
  pollfd process{pidfd.get(), POLLIN, 0};
  constexpr uint64_t kNanosecondsPerMs = 1000000;
  const uint64_t milliseconds = (timeout + kNanosecondsPerMs - 1) / kNanosecondsPerMs;
  const int wait = timeout == 0 ? -1 : static_cast<int>(std::min<uint64_t>(milliseconds, INT32_MAX));
  int ready = -1;
  do {
    ready = poll(&process, 1, wait);
  } while (ready < 0 && errno == EINTR);
  const int error = ready < 0 ? -errno : 0;
  if (ready <= 0) static_cast<void>(sys_pidfd_send_signal(pidfd.get(), SIGKILL));  // ESRCH: the hook has just ended by itself
  int status = 0;
  if (waitpid(pid, &status, __WALL) < 0) return -errno;
  if (error < 0) return error;
  return ready == 0 ? -ETIMEDOUT : status;
}

// A signal in the C library's words, with a small first letter: "bad system call". For most signals these are runc's, which has them of Go;
// of a real-time one Go has the number alone ("signal 34", where this is "real-time signal 0").
std::string signal_words(int signal) {
  std::string words = strsignal(signal);
  words.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(words.front())));
  return words;
}

// What the hook wrote, without line ends at its end.
std::string written(int file) {
  char text[kTold];
  const ssize_t count = pread(file, text, sizeof text, 0);
  std::string all(text, count < 0 ? 0 : static_cast<size_t>(count));
  while (!all.empty() && (all.back() == '\n' || all.back() == '\r')) all.pop_back();
  return all;
}

}  // namespace

int run(Context& context, const args::describe_process& a) {
  if (context.process == 0) return -ESRCH;
  std::string text(a.before.data, a.before.size);
  text += std::to_string(context.process);
  text.append(a.after.data, a.after.size);
  unique_fd file;
  const int result = sealed_memfd(text.data(), text.size(), file);
  return result < 0 ? result : context.slots.put(a.out, std::move(file));
}

int run(Context& context, const args::run_named_hook& a) {
  const int input = context.slots.get(a.input);
  if (lseek(input, 0, SEEK_SET) < 0) return -errno;
  const unique_fd output(memfd_create("hook", MFD_CLOEXEC));
  if (!output) return -errno;
  const std::vector<char*> argv = pointers(a.argv);
  std::vector<char*> env = pointers(a.env);
  std::string home = std::string("HOME=") + context.account.home;
  for (char*& variable : env) {
    if (context.account.known && variable != nullptr && std::strcmp(variable, "HOME=") == 0) variable = home.data();
  }
  const auto pid = static_cast<pid_t>(checked(syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr)));
  if (pid < 0) return pid;
  if (pid == 0) {
    // The umask of a process that sets a container up is 0. A hook is a program of the host's: nobody else may write what it makes.
    umask(umask(022) | 022);
    const bool placed = dup2(input, 0) >= 0 && dup2(output.get(), 1) >= 0 && dup2(output.get(), 2) >= 0;
    if (placed && sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0) execve(a.path.text, argv.data(), env.data());
    const std::string why = std::strerror(errno);
    // the status tells of the failure in any case
    _exit(write(output.get(), why.data(), why.size()) < 0 ? 126 : 127);
  }
  const int status = await_end(pid, a.timeout);
  if (status == -ETIMEDOUT) return context.failed(status, "it took longer than its timeout");
  if (status <= 0) return status;
  std::string text = WIFEXITED(status) ? "exit status " + std::to_string(WEXITSTATUS(status)) : "signal: " + signal_words(WTERMSIG(status));
  const std::string said = written(output.get());
  if (!said.empty()) text += ": " + said;
  return context.failed(-EIO, text.c_str());
}

}  // namespace nacelle
