#include "guard.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include <cstdlib>
#include <cstring>

#include "../kernel/landlock.h"

namespace nacelle {
namespace {

constexpr int kSocket = 0, kProcesses = 1;

struct DirectoryEntry {
  uint64_t inode;
  int64_t next;
  uint16_t size;
  uint8_t type;
  char name[1];
};

// Whether there is a process, a zombie too, to which the guard may send signals.
bool is_in_domain(const char* name, pid_t self) {
  char* end = nullptr;
  const long pid = std::strtol(name, &end, 10);
  return pid > 0 && *end == '\0' && pid != self && kill(static_cast<pid_t>(pid), 0) == 0;
}

bool has_others() {
  const pid_t self = getpid();
  if (lseek(kProcesses, 0, SEEK_SET) < 0) return true;
  alignas(DirectoryEntry) static char entries[32 * 1024];
  for (;;) {
    const long size = syscall(SYS_getdents64, kProcesses, entries, sizeof entries);
    if (size < 0) return true;
    if (size == 0) return false;
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(entries + at);
      if (is_in_domain(entry->name, self)) return true;
      at += entry->size;
    }
  }
}

// A fork that is under way when SIGKILL comes is undone by the kernel, so that one round reaches all; only their ends take a while.
[[noreturn]] void guard() {
  pollfd socket{kSocket, POLLRDHUP, 0};
  while (poll(&socket, 1, -1) < 0 && errno == EINTR) {}
  do {
    kill(-1, SIGKILL);
    const timespec pause{0, 200'000};
    nanosleep(&pause, nullptr);
  } while (has_others());
  _exit(send(kSocket, "", 1, MSG_NOSIGNAL) == 1 ? 0 : 1);  // the shim may have died: then nobody is told
}

// Runs in the fork, so it makes nothing but system calls.
[[noreturn]] void become_guard(int socket) {
  const int processes = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  constexpr int kAside = 3;
  const int moved = fcntl(socket, F_DUPFD_CLOEXEC, kAside);
  const int listed = processes < 0 ? -1 : fcntl(processes, F_DUPFD_CLOEXEC, kAside);
  sigset_t all;
  sigfillset(&all);
  // a session of its own: no signal of the program's terminal or group comes here
  const bool fine = moved >= 0 && listed >= 0 && dup2(moved, kSocket) >= 0 && dup2(listed, kProcesses) >= 0 && setsid() >= 0 &&
                    sys_close_range(kProcesses + 1, ~0U, 0) == 0 && sigprocmask(SIG_SETMASK, &all, nullptr) == 0 &&
                    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && prctl(PR_SET_NAME, "nacelle-guard") == 0;
  if (!fine || send(kSocket, "", 1, MSG_NOSIGNAL) != 1) _exit(1);
  guard();
}

// A domain denies what goes from one folder to another unless a rule allows it, whether or not its rules are about files.
int enter_domain() {
  LandlockRuleset rules;
  rules.files = kLandlockRefer;
  rules.scopes = kLandlockScopeSignal;
  unique_fd domain, root;
  int result = opened(sys_landlock_create_ruleset(rules), domain);
  if (result == 0) result = opened(checked_int(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)), root);
  LandlockPath everywhere;
  everywhere.allowed = kLandlockRefer;
  everywhere.parent = root.get();
  if (result == 0) result = sys_landlock_add_rule(domain.get(), kLandlockPathBeneath, &everywhere);
  return result == 0 ? sys_landlock_restrict_self(domain.get()) : result;
}

}  // namespace

int fork_guard(unique_fd& out) {
  int pair[2];
  if (const int result = enter_domain(); result < 0) return result;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
  out.reset(pair[0]);
  unique_fd theirs(pair[1]);
  // CLONE_PARENT: it is no child of the program, which may wait for all of its children. The shim reaps what it does not know
  const long pid = syscall(SYS_clone, kCloneParent | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (pid < 0) return -errno;
  if (pid == 0) become_guard(theirs.get());
  theirs.reset();
  // the program runs only when the guard stands ready
  char byte = 0;
  ssize_t size;
  do {
    size = recv(out.get(), &byte, 1, 0);
  } while (size < 0 && errno == EINTR);
  return size == 1 ? 0 : -ECHILD;
}

int end_guarded(int guard) {
  if (shutdown(guard, SHUT_WR) < 0 && errno != ENOTCONN) return -errno;
  char byte = 0;
  const ssize_t size = recv(guard, &byte, 1, MSG_DONTWAIT);
  if (size < 0) return errno == EAGAIN || errno == EINTR ? -EBUSY : -errno;
  return size == 1 ? 0 : -ECHILD;
}

}  // namespace nacelle
