#include "resident_start.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "../kernel/file_io.h"
#include "../kernel/syscalls.h"
#include "../kernel/whole_text.h"
#include "own_groups.h"

namespace nacelle {
namespace {

// In the new process.
bool leave_all() {
  sigset_t none;
  sigemptyset(&none);
  for (int number = 1; number < NSIG; ++number) static_cast<void>(signal(number, SIG_DFL));
  if (sigprocmask(SIG_SETMASK, &none, nullptr) < 0 || chdir("/") < 0) return false;
  umask(022);
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nothing < 0) return false;
  for (int fd = 0; fd < 3; ++fd) {
    if (dup2(nothing, fd) < 0) return false;
  }
  // where that is one of them already, it would be closed by execve
  if (nothing < 3 && fcntl(nothing, F_SETFD, 0) < 0) return false;
  return sys_close_range(3, ~0U, 0) == 0;
}

// Waits until the parent of this process has ended, and so closed the pipe: another process has adopted this one then.
void await_adoption(int orphaned) {
  char byte = 0;
  while (read(orphaned, &byte, 1) < 0 && errno == EINTR) continue;
}

// Whether the process that has adopted this one goes on and ends without waiting for its orphans' end. conmon(8) does wait, before it ends
// and its container is removed; of others that is not known.
bool adopter_leaves_orphans_alone() {
  constexpr std::string_view kSuch[] = {"systemd", "containerd-shim"};  // a name has 15 bytes there
  constexpr size_t kMostName = 64;
  const pid_t parent = getppid();
  if (parent == 1) return true;
  std::string name;
  if (read_text(AT_FDCWD, ("/proc/" + std::to_string(parent) + "/comm").c_str(), kMostName, name) < 0) return false;
  for (const std::string_view such : kSuch) {
    if (name == std::string(such) + '\n') return true;
  }
  return false;
}

// What would have the kernel prefer the planner, or pass it over, as it does whoever started it. It may be that this is not allowed.
void take_usual_ranks() {
  const sched_param none{};
  static_cast<void>(sched_setscheduler(0, SCHED_OTHER, &none));
  static_cast<void>(setpriority(PRIO_PROCESS, 0, 0));
  const unique_fd score(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (score) static_cast<void>(write_all(score.get(), "0", 1));
}

}  // namespace

void start_resident(const FrontFile& file, const std::string& root) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return;
  const unique_fd orphaned(ends[0]);
  unique_fd waits(ends[1]);
  const pid_t first = fork();
  if (first < 0) return;
  if (first > 0) {
    while (waitpid(first, nullptr, 0) < 0 && errno == EINTR) continue;
    return;  // which closes the pipe
  }
  // a process that has begun a session could take a terminal: its child can't
  if (setsid() < 0 || fork() != 0) _exit(0);
  waits.reset();
  await_adoption(orphaned.get());
  if (!adopter_leaves_orphans_alone() || !leave_all()) _exit(0);
  take_usual_ranks();
  if (!leave_groups()) _exit(0);
  const char* arguments[] = {file.node.c_str(), file.script.c_str(), "--root", root.c_str(), "planner", file.resident.c_str(), nullptr};
  // those of the library: whoever has others is not served
  constexpr char kOwn[] = "NACELLE_";
  std::vector<char*> environment;
  for (char** at = environ; *at != nullptr; ++at) {
    if (std::strncmp(*at, kOwn, sizeof kOwn - 1) == 0) environment.push_back(*at);
  }
  environment.push_back(nullptr);
  execve(file.node.c_str(), const_cast<char* const*>(arguments), environment.data());
  _exit(1);
}

}  // namespace nacelle
