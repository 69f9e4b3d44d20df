#include "upgrade.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "../kernel/memfd.h"
#include "../kernel/syscalls.h"
#include "../steps/shim_table.h"
#include "../wire/saved.h"
#include "supervisor.h"

namespace nacelle {
namespace {

// How long a moment in which nothing is under way is waited for, in ns; a client takes a shim that is silent for longer for dead.
constexpr uint64_t kUpgradePatience = 4'000'000'000;

// Whether nobody can change the file: a sealed memfd, or a file on a read-only mount (addon/launch.cc).
bool is_protected(int fd) {
  struct stat status {};
  if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) return false;
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals >= 0 && (seals & F_SEAL_WRITE) != 0) return true;
  struct statvfs mount {};
  return fstatvfs(fd, &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0;
}

// Whether the version, as major.minor.patch, comes after the other one.
bool is_newer(const char* version, const char* than) {
  unsigned a[3] = {}, b[3] = {};
  if (std::sscanf(version, "%u.%u.%u", &a[0], &a[1], &a[2]) != 3 || std::sscanf(than, "%u.%u.%u", &b[0], &b[1], &b[2]) != 3) return false;
  for (int i = 0; i < 3; ++i) {
    if (a[i] != b[i]) return a[i] > b[i];
  }
  return false;
}

// Returns only when that failed, with -errno.
int execute(int executable, const char* name, int state, int error) {
  const std::string number = std::to_string(state);
  const std::string failure = std::to_string(error);
  const char* const argv[] = {name, number.c_str(), failure.c_str(), nullptr};
  const char* const env[] = {nullptr};
  syscall(SYS_execveat, executable, "", argv, env, AT_EMPTY_PATH);
  return -errno;
}

int set_close_on_exec(const std::vector<int>& fds, bool closes) {
  for (const int fd : fds) {
    if (fcntl(fd, F_SETFD, closes ? FD_CLOEXEC : 0) < 0) return -errno;
  }
  return 0;
}

// Only what nobody can have changed since it was written is believed.
int read_state(int fd, Found& found) {
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  struct stat status {};
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) return -EPERM;
  if (fstat(fd, &status) < 0) return -errno;
  std::string bytes(static_cast<size_t>(status.st_size), '\0');
  const int result = read_memfd(fd, bytes.data(), bytes.size());
  const bool is_read = result == 0 && found.read(bytes);
  explicit_bzero(bytes.data(), bytes.size());
  return result < 0 ? result : is_read ? 0 : -EPROTO;
}

}  // namespace

void Upgrade::ask(const Listener& asker, Message& message) {
  const Str version = Reader(message.body.data(), message.body.size()).str();
  if (is_asked_) {
    Message busy = upgraded_event(EBUSY, "somebody else upgrades it just now");
    busy.id = asker.id;
    return asker.client->send(std::move(busy));
  }
  asker_ = asker;
  is_asked_ = true;
  if (!supervisor_.is_detached()) return refuse(EOPNOTSUPP, "it belongs to one process, and ends with that");
  if (!is_newer(version.text, kOwnVersion)) return refuse(EALREADY, "it is not older");
  if (message.fds.size() != 1 || !is_protected(message.fds.front().get())) return refuse(EPERM, "the executable could be changed");
  executable_ = std::move(message.fds.front());
  deadline_ns_ = monotonic_ns() + kUpgradePatience;
  try_now();
}

void Upgrade::forget(const Client& client) {
  if (asker_.client == &client) asker_.client = nullptr;
}

void Upgrade::refuse(int error, const char* why) {
  is_asked_ = false;
  executable_.reset();
  if (asker_.client == nullptr) return;
  Message message = upgraded_event(error, why);
  message.id = asker_.id;
  asker_.client->send(std::move(message));
}

void Upgrade::try_now() {
  if (supervisor_.is_settled()) {
    const int result = hand_over();
    return refuse(-result, "hand over to the newer shim");
  }
  if (monotonic_ns() >= deadline_ns_) return refuse(EBUSY, "something is under way all the time");
  next_.start(supervisor_.loop(), monotonic_ns() + kMillisecond, [this] { try_now(); });
}

// Comes back only after a failure.
int Upgrade::hand_over() {
  std::vector<int> kept;
  Saved saved(kept);
  const unique_fd before(open("/proc/self/exe", O_PATH | O_CLOEXEC));
  if (!before) return -errno;
  saved.text("version", kOwnVersion).text("table", kOwnTable).fd("executable", before.get());
  supervisor_.save(saved, asker_);
  std::string bytes = saved.bytes();
  unique_fd state;
  int result = sealed_memfd(bytes.data(), bytes.size(), state);
  explicit_bzero(bytes.data(), bytes.size());
  if (result < 0) return result;
  kept.push_back(state.get());
  result = set_close_on_exec(kept, false);
  if (result == 0) result = execute(executable_.get(), kTakeOverName, state.get(), 0);
  const int closes = set_close_on_exec(kept, true);
  return closes < 0 ? closes : result;
}

int take_over(const char* state, const char* error) {
  const int fd = std::atoi(state);
  const int failed = std::atoi(error);
  Found found;
  int result = read_state(fd, found);
  // not on the way back
  if (result == 0 && failed == 0 && !is_newer(kOwnVersion, found.text("version").c_str())) result = -EALREADY;
  if (result < 0) return execute(found.fd("executable").release(), kTakeBackName, fd, -result), 1;
  // what it has found stays open for the way back, which is taken while it lives
  Supervisor supervisor;
  result = prctl(PR_SET_NAME, "nacelle-shim") < 0 ? -errno : supervisor.find(found, failed);
  if (result < 0 && failed == 0) return execute(found.fd("executable").release(), kTakeBackName, fd, -result), 1;
  if (result < 0) return 1;
  found.fd("executable").reset();
  close(fd);
  if (sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) return 1;
  return supervisor.run() < 0 ? 1 : 0;
}

}  // namespace nacelle
