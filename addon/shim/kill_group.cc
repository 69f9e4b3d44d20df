#include <fcntl.h>
#include <signal.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "groups.h"
#include "syscalls.h"

namespace nacelle {
namespace {

// What stands still can't fork: without that a fork bomb is faster than who counts it.
struct Freezer {
  const char *file, *freeze, *thaw;
};
// v2 since Linux 5.2; on v1 in the freezer's own hierarchy, where SIGKILL waits for the thaw.
constexpr Freezer kFreezers[] = {{"cgroup.freeze", "1", "0"}, {"freezer.state", "FROZEN", "THAWED"}};

int write_word(int group, const char* file, const char* word) {
  const unique_fd fd(openat(group, file, O_WRONLY | O_CLOEXEC));
  if (!fd) return -errno;
  const ssize_t count = write(fd.get(), word, std::strlen(word));
  return count < 0 ? -errno : 0;
}

int open_group(int at, const char* path) { return openat(at, path, O_PATH | O_DIRECTORY | O_CLOEXEC); }

bool is_gone(int result) { return result == -ENOENT || result == -ENODEV; }

// A number that the buffer cuts is met by the next call.
int signal_listed(int group, const char* file) {
  const unique_fd list(openat(group, file, O_RDONLY | O_CLOEXEC));
  if (!list) return -errno;
  char text[16 * 1024];
  ssize_t count = 0;
  while ((count = read(list.get(), text, sizeof text - 1)) > 0) {
    text[count] = '\0';
    char* rest = nullptr;
    for (char* line = strtok_r(text, "\n", &rest); line != nullptr; line = strtok_r(nullptr, "\n", &rest)) {
      const pid_t pid = static_cast<pid_t>(std::strtol(line, nullptr, 10));
      if (pid > 0) kill(pid, SIGKILL);
    }
  }
  return count < 0 ? -errno : 0;
}

int signal_all(int at, const char* path) {
  const unique_fd group(open_group(at, path));
  if (!group) return 0;
  int result = signal_listed(group.get(), "cgroup.procs");
  // a threaded group lists its threads alone
  if (result == -EOPNOTSUPP) result = signal_listed(group.get(), "cgroup.threads");
  if (result < 0) return is_gone(result) ? 0 : result;
  return each_group(group.get(), ".", signal_all);
}

// Those below too: they may have been frozen by themselves.
int thaw_all(int at, const char* path) {
  const unique_fd group(open_group(at, path));
  if (!group) return 0;
  for (const Freezer& freezer : kFreezers) static_cast<void>(write_word(group.get(), freezer.file, freezer.thaw));
  return each_group(group.get(), ".", thaw_all);
}

int kill_by_hand(int group) {
  for (const Freezer& freezer : kFreezers)
    static_cast<void>(write_word(group, freezer.file, freezer.freeze));  // where there is none, without
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
