#include "container_status.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "../kernel/syscalls.h"
#include "../kernel/whole_text.h"
#include "lines.h"

namespace nacelle {
namespace {

constexpr std::string_view kNames[] = {"created", "running", "paused", "stopped"};
constexpr size_t kMostTold = 16 * 1024;
constexpr int kTries = 2000;
constexpr timespec kPause{0, 1'000'000};

std::string_view trimmed(std::string_view text) {
  const size_t end = text.find_last_not_of(" \n");
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 1);
}

// Whether /proc/PID/stat tells of the process that was noted, and of one that lives: a zombie has ended. The name of a program may have
// spaces and brackets, so fields are counted from the last bracket.
bool tells_of(std::string_view stat, uint64_t start_time) {
  constexpr int kStartField = 19;
  const size_t bracket = stat.rfind(')');
  if (bracket == std::string_view::npos || bracket + 2 > stat.size()) return false;
  stat.remove_prefix(bracket + 2);
  const std::string_view state = take_word(stat);
  if (state == "Z" || state == "X") return false;
  std::string_view field;
  for (int at = 1; at <= kStartField; ++at) field = take_word(stat);
  uint64_t started = 0;
  return read_number(field, started) && started == start_time;
}

// 1 when it lives, 0 when it has ended.
int lives(const ContainerSeen& container) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/stat", container.pid);
  std::string stat;
  const int result = read_text(AT_FDCWD, path, kMostTold, stat);
  if (result == -ENOENT || result == -ESRCH) return 0;
  return result < 0 ? result : static_cast<int>(tells_of(stat, container.start_time));
}

std::string file_of(const ContainerSeen& container, const char* v1, const char* v2) {
  return container.freezer + '/' + (container.freezer_version == 1 ? v1 : v2);
}

// What the freezer tells: v1 one word, v2 a line for each event. Empty for a group that is gone.
int read_freezer_state(const ContainerSeen& container, std::string& told) {
  const int result = read_text(AT_FDCWD, file_of(container, "freezer.state", "cgroup.events").c_str(), kMostTold, told);
  return result == -ENOENT || result == -ENODEV ? 0 : result;
}

bool has_line(std::string_view text, std::string_view wanted) {
  Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    if (line == wanted) return true;
  }
  return false;
}

// v1 says FREEZING while processes that are just about to stand still do not yet.
bool is_pausing(const ContainerSeen& container, std::string_view told) {
  if (container.freezer_version == 2) return has_line(told, "frozen 1");
  return !told.empty() && trimmed(told) != "THAWED";
}

bool is_paused(const ContainerSeen& container, std::string_view told) {
  return container.freezer_version == 2 ? has_line(told, "frozen 1") : trimmed(told) == "FROZEN";
}

int write_freezer(const ContainerSeen& container, const char* v1, const char* v2) {
  const unique_fd file(open(file_of(container, "freezer.state", "cgroup.freeze").c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return -errno;
  const char* word = container.freezer_version == 1 ? v1 : v2;
  return write(file.get(), word, std::strlen(word)) < 0 ? -errno : 0;
}

}  // namespace

bool status_named(std::string_view name, Status& status) {
  for (size_t at = 0; at < sizeof kNames / sizeof kNames[0]; ++at) {
    if (kNames[at] != name) continue;
    status = static_cast<Status>(at);
    return true;
  }
  return false;
}

int status_of(int state_folder, const ContainerSeen& container, Status& status, unique_fd& process) {
  status = Status::kStopped;
  int result = lives(container);
  if (result <= 0) return result;
  result = opened(sys_pidfd_open(container.pid), process);
  if (result < 0 && result != -ESRCH && result != -EINVAL) return result;
  // what was opened is the container's only if it lives on: another process may have got the number
  const int still = result < 0 ? 0 : lives(container);
  if (still <= 0) {
    process.reset();
    return still;
  }
  std::string told;
  result = read_freezer_state(container, told);
  if (result < 0) return result;
  struct stat file {};
  const bool is_created = fstatat(state_folder, container.created.c_str(), &file, AT_SYMLINK_NOFOLLOW) == 0;
  if (!is_created && errno != ENOENT) return -errno;
  status = is_pausing(container, told) ? Status::kPaused : is_created ? Status::kCreated : Status::kRunning;
  return 0;
}

int freeze(const ContainerSeen& container) {
  for (int tries = 0; tries < kTries; ++tries) {
    // v1 may have to be asked again: a process that was just being made, or is in the kernel, does not stand still at once
    int result = tries == 0 || container.freezer_version == 1 ? write_freezer(container, "FROZEN", "1") : 0;
    std::string told;
    if (result == 0) result = read_freezer_state(container, told);
    if (result < 0) return result;
    if (is_paused(container, told)) return 0;
    nanosleep(&kPause, nullptr);
  }
  const int result = thaw(container);
  return result < 0 ? result : -EBUSY;
}

int thaw(const ContainerSeen& container) { return write_freezer(container, "THAWED", "0"); }

}  // namespace nacelle
