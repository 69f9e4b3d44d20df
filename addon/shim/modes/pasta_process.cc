#include "pasta_process.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "../kernel/syscalls.h"

namespace nacelle {
namespace {

constexpr char kTun[] = "/dev/net/tun";
constexpr int kFirstFree = 3;

// The user namespace that owns the network namespace; none where it is the caller's own. 0 or -errno.
int owner_of(int network, unique_fd& out) {
  unique_fd own, owner(ioctl(network, NS_GET_USERNS));
  if (!owner) return -errno;
  if (const int result = opened(checked_int(open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC)), own); result < 0) return result;
  struct stat ours {};
  struct stat theirs {};
  if (fstat(own.get(), &ours) < 0 || fstat(owner.get(), &theirs) < 0) return -errno;
  if (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino) out = std::move(owner);
  return 0;
}

// Where no groups can be left (user_namespaces(7)), they stay.
int become_root_of(int users) {
  if (setns(users, CLONE_NEWUSER) < 0) return -1;
  if (syscall(SYS_setgroups, 0, nullptr) < 0 && errno != EPERM) return -1;
  if (syscall(SYS_setresgid, 0, 0, 0) < 0) return -1;
  return static_cast<int>(syscall(SYS_setresuid, 0, 0, 0));
}

// A pasta of 2023 that can't open the device stays, and says nothing.
int try_device() {
  const unique_fd device(open(kTun, O_RDWR | O_CLOEXEC));
  return device ? 0 : -1;
}

int take_descriptors(int network, int says) {
  const int kept[] = {fcntl(network, F_DUPFD_CLOEXEC, kFirstFree), fcntl(says, F_DUPFD_CLOEXEC, kFirstFree)};
  if (kept[0] < 0 || kept[1] < 0) return -1;
  if (dup2(kept[0], kPastaNamespace) < 0 || dup2(kept[1], STDOUT_FILENO) < 0 || dup2(kept[1], STDERR_FILENO) < 0) return -1;
  return sys_close_range(kFirstFree, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -1 : 0;
}

struct Launch {
  const char* path;
  char* const* argv;
  int network, users, says;
  pid_t parent;
};

// In a fork of the shim, which has one thread.
[[noreturn]] void become_pasta(const Launch& launch) {
  const auto need = [&launch](const char* what, int result) {
    if (result >= 0) return;
    dprintf(launch.says, "%s: %s\n", what, std::strerror(errno));
    _exit(1);
  };
  sigset_t none;
  sigemptyset(&none);
  if (launch.users >= 0) need("enter the user namespace that owns the network", become_root_of(launch.users));
  // after the change of ids, which takes it back
  need("die with the shim", prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
  if (getppid() != launch.parent) _exit(1);
  need("open /dev/net/tun", try_device());
  // it takes one that is ignored already for a failure
  need("end at a broken pipe", signal(SIGPIPE, SIG_DFL) == SIG_ERR ? -1 : 0);
  need("let signals in", sigprocmask(SIG_SETMASK, &none, nullptr));
  need("take its descriptors", take_descriptors(launch.network, launch.says));
  need("change to /", chdir("/"));
  char* const env[] = {nullptr};
  need(launch.path, execve(launch.path, launch.argv, env));
  _exit(1);
}

bool is_number(const std::string& line) {
  return !line.empty() && std::all_of(line.begin(), line.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Where the host has no log, each line is followed by such a one.
bool is_idle_talk(const std::string& line) { return line.rfind("Failed to send ", 0) == 0; }

}  // namespace

pid_t start_pasta(const std::string& path, const std::vector<std::string>& arguments, int network, unique_fd& said) {
  unique_fd users;
  if (const int result = owner_of(network, users); result < 0) return result;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  unique_fd reads(ends[0]);
  const unique_fd says(ends[1]);
  // pasta opens it by its path, as root of a user namespace, who may be another user than the one of the pipe
  constexpr mode_t kAllWrite = 0622;
  if (fchmod(says.get(), kAllWrite) < 0) return -errno;
  std::vector<char*> argv = {const_cast<char*>("pasta")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const Launch launch{path.c_str(), argv.data(), network, users.get(), says.get(), getpid()};
  CloneArguments fork;
  fork.exit_signal = SIGCHLD;
  const pid_t pid = sys_clone3(fork);
  if (pid == 0) become_pasta(launch);
  if (pid > 0) said = std::move(reads);
  return pid;
}

PastaWords read_pasta(const std::string& printed) {
  PastaWords read;
  size_t from = 0;
  for (size_t end = printed.find('\n'); end != std::string::npos; from = end + 1, end = printed.find('\n', from)) {
    const std::string line = printed.substr(from, end - from);
    if (is_number(line)) read.is_ready = true;
    if (line.empty() || is_number(line) || is_idle_talk(line)) continue;
    if (!read.words.empty()) read.words += "; ";
    read.words += line;
  }
  return read;
}

}  // namespace nacelle
