#include "upgrade.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "../kernel/file_io.h"
#include "../kernel/ignored_signals.h"
#include "../kernel/memfd.h"
#include "../kernel/syscalls.h"
#include "../steps/shim_table.h"
#include "../wire/saved.h"
#include "supervisor.h"

namespace nacelle {
namespace {

// How long a moment in which nothing is under way is waited for, in ns; a client takes a shim that is silent for longer for dead.
constexpr uint64_t kUpgradePatience = 4'000'000'000;

constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

// Whether nobody can change the file, as the library makes it (addon/launch.cc): a sealed memfd, or a file on a read-only mount. Whoever
// asks has the rights of the shim: this is against mistakes.
bool is_protected(int fd) {
  struct stat status {};
  if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) return false;
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals >= 0 && (seals & kSeals) == kSeals) return true;
  struct statvfs mount {};
  return fstatvfs(fd, &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0;
}

// Reads major.minor.patch, as digits and dots alone.
bool read_version(const char* text, std::array<uint32_t, 3>& version) {
  for (size_t i = 0; i < version.size(); ++i) {
    if (i > 0 && *text++ != '.') return false;
    const char* const begin = text;
    uint64_t number = 0;
    for (; *text >= '0' && *text <= '9' && text - begin < 9; ++text) number = 10 * number + static_cast<uint64_t>(*text - '0');
    if (text == begin) return false;
    version[i] = static_cast<uint32_t>(number);
  }
  return *text == '\0';
}

// 0 when the version comes after the other one, -EALREADY when it does not, -EINVAL for what is none.
int require_newer(const char* version, const char* than) {
  std::array<uint32_t, 3> a{}, b{};
  if (!read_version(version, a) || !read_version(than, b)) return -EINVAL;
  return a > b ? 0 : -EALREADY;
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
  const int newer = require_newer(version.text, kOwnVersion);
  if (newer < 0) return refuse(-newer, newer == -EINVAL ? "read the version" : "it is not older");
  if (message.cut) return refuse(EMFILE, "take the descriptor");
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
  const uint64_t now = monotonic_ns();
  if (now >= deadline_ns_) return refuse(EBUSY, "something is under way all the time");
  if (now + kUpgradePatience / 2 >= deadline_ns_) supervisor_.press_on();
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

namespace {

// What the shim before knew is in memory only until it was found: forks would have it.
int find_all(Supervisor& supervisor, int state, int failed, unique_fd& before) {
  Found found;
  int result = read_state(state, found);
  if (result == 0) before = found.fd("executable");
  // not on the way back
  if (result == 0 && failed == 0) result = require_newer(kOwnVersion, found.text("version").c_str());
  if (result == 0 && prctl(PR_SET_NAME, "nacelle-shim") < 0) result = -errno;
  // an older one may ignore more than this
  if (result == 0) result = ignore_signals();
  if (result == 0) result = supervisor.find(found, failed);
  if (result == 0 && sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) result = -errno;
  return result;
}

}  // namespace

int describe() {
  const std::string words = std::string(kOwnVersion) + '\n' + kOwnTable;
  return write_all(STDOUT_FILENO, words.data(), words.size());
}

int take_over(const char* state, const char* error) {
  const int failed = std::atoi(error);
  unique_fd memory(std::atoi(state));
  unique_fd before;
  // what it has found stays open for the way back, which is taken while it lives
  Supervisor supervisor;
  const int result = find_all(supervisor, memory.get(), failed, before);
  if (result < 0 && failed == 0) execute(before.get(), kTakeBackName, memory.get(), -result);
  if (result < 0) return 1;
  before.reset();
  memory.reset();
  supervisor.answer_upgrade(failed);
  return supervisor.run() < 0 ? 1 : 0;
}

}  // namespace nacelle
