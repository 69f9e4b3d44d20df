#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "groups.h"
#include "syscalls.h"

namespace nacelle {
namespace {

// A frozen process can't fork. Without freezing, a fork bomb makes processes faster than they can be listed.
struct Freezer {
  const char *file, *freeze, *thaw;
};
// The first is v2's, since Linux 5.2. The second is v1's, in the freezer's own hierarchy, where SIGKILL waits for the thaw.
constexpr Freezer kFreezers[] = {{"cgroup.freeze", "1", "0"}, {"freezer.state", "FROZEN", "THAWED"}};

int write_word(int group, const char* file, const char* word) {
  const unique_fd fd(openat(group, file, O_WRONLY | O_CLOEXEC));
  if (!fd) return -errno;
  const ssize_t count = write(fd.get(), word, std::strlen(word));
  return count < 0 ? -errno : 0;
}

// Opens a group and nothing else: with a forged descriptor a path may lead anywhere.
int open_group(int at, const char* path) {
  unique_fd group(openat(at, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!group || is_group(group.get())) return group.release();
  errno = ENOENT;
  return -1;
}

bool is_gone(int result) { return result == -ENOENT || result == -ENODEV; }

// Reads the numbers of a list. A number may be cut in two by the end of a read.
int read_numbers(int group, const char* file, std::vector<pid_t>& numbers) {
  const unique_fd list(openat(group, file, O_RDONLY | O_CLOEXEC));
  if (!list) return -errno;
  numbers.clear();
  pid_t number = 0;
  char text[16 * 1024];
  ssize_t count = 0;
  while ((count = read(list.get(), text, sizeof text)) > 0) {
    for (ssize_t i = 0; i < count; ++i) {
      if (text[i] >= '0' && text[i] <= '9') {
        number = number * 10 + (text[i] - '0');
      } else if (number != 0) {
        numbers.push_back(number);
        number = 0;
      }
    }
  }
  return count < 0 ? -errno : 0;
}

// The process of a thread, 0 when it is gone.
pid_t process_of(pid_t thread) {
  char text[1024];
  std::snprintf(text, sizeof text, "/proc/%d/status", thread);
  const unique_fd status(open(text, O_RDONLY | O_CLOEXEC));
  const ssize_t size = status ? read(status.get(), text, sizeof text - 1) : 0;
  if (size <= 0) return 0;
  text[size] = '\0';
  const char* found = std::strstr(text, "\nTgid:");
  return found == nullptr ? 0 : static_cast<pid_t>(std::strtol(found + 6, nullptr, 10));
}

bool has_thread(pid_t process, pid_t thread) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/task/%d", process, thread);
  return access(path, F_OK) == 0;
}

struct Held {
  pid_t listed = 0;
  pid_t process = 0;
  unique_fd pidfd;
};

// Sends SIGKILL to the processes in the list. A number that was read may belong to another process by now. So each process is held by a
// pidfd first, and signalled only when the list, read once more, still has its number.
int signal_listed(int group, const char* file, bool threads) {
  constexpr size_t kAtOnce = 256;
  std::vector<pid_t> listed, again;
  int result = read_numbers(group, file, listed);
  for (size_t next = 0; result == 0 && next < listed.size();) {
    std::vector<Held> held;
    for (; next < listed.size() && held.size() < kAtOnce; ++next) {
      const pid_t process = threads ? process_of(listed[next]) : listed[next];
      const int pidfd = process > 0 ? sys_pidfd_open(process) : -ESRCH;
      // the next round takes the rest, when these descriptors are free again
      if (pidfd == -EMFILE || pidfd == -ENFILE) break;
      if (pidfd >= 0) held.push_back({listed[next], process, unique_fd(pidfd)});
    }
    if (held.empty()) return next < listed.size() ? -EMFILE : 0;
    result = read_numbers(group, file, again);
    std::sort(again.begin(), again.end());
    for (const Held& one : held) {
      const bool is_there = std::binary_search(again.begin(), again.end(), one.listed);
      if (is_there && (!threads || has_thread(one.process, one.listed))) static_cast<void>(sys_pidfd_send_signal(one.pidfd.get(), SIGKILL));
    }
  }
  return result;
}

int signal_all(int at, const char* path) {
  const unique_fd group(open_group(at, path));
  if (!group) return 0;
  int result = signal_listed(group.get(), "cgroup.procs", false);
  // a threaded group lists only its threads
  if (result == -EOPNOTSUPP) result = signal_listed(group.get(), "cgroup.threads", true);
  if (result < 0) return is_gone(result) ? 0 : result;
  return each_group(group.get(), ".", signal_all);
}

// Thaws the group and those below it, which may have been frozen by themselves.
int thaw_all(int at, const char* path) {
  const unique_fd group(open_group(at, path));
  if (!group) return 0;
  for (const Freezer& freezer : kFreezers) static_cast<void>(write_word(group.get(), freezer.file, freezer.thaw));
  return each_group(group.get(), ".", thaw_all);
}

int kill_by_hand(int group) {
  for (const Freezer& freezer : kFreezers)
    static_cast<void>(write_word(group, freezer.file, freezer.freeze));  // a group without a freezer is killed unfrozen
  const int result = signal_all(group, ".");
  const int thawed = thaw_all(group, ".");
  if (result < 0 || thawed < 0) return result < 0 ? result : thawed;
  const int left = is_populated(group, ".");
  return left > 0 ? -EBUSY : left;
}

}  // namespace

int kill_group(int at, const char* path) {
  const unique_fd group(open_group(at, path));
  if (!group) return errno == ENOENT ? 0 : -errno;
  // ENOENT before Linux 5.14 and on v1, EOPNOTSUPP in a threaded group
  const int result = write_word(group.get(), "cgroup.kill", "1");
  if (result == -ENODEV) return 0;
  return result == 0 ? 0 : kill_by_hand(group.get());
}

}  // namespace nacelle
