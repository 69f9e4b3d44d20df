#include "resident_start.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "../kernel/syscalls.h"

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

}  // namespace

void start_resident(const FrontFile& file, const std::string& root) {
  const pid_t first = fork();
  if (first < 0) return;
  if (first > 0) {
    waitpid(first, nullptr, 0);
    return;
  }
  // a process that has begun a session could take a terminal: its child can't
  if (setsid() < 0 || fork() != 0 || !leave_all()) _exit(0);
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
