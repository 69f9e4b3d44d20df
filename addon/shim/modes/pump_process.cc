#include "pump_process.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <string>

#include "../kernel/packet.h"
#include "../kernel/syscalls.h"
#include "beside.h"
#include "log.h"

namespace nacelle {
namespace {

constexpr size_t kMostDescriptors = 2 * kMaxCopies;
static_assert(1 + kMaxSources <= kMostDescriptors && kMostDescriptors <= kMostBeside);
static_assert(kPumpControl == 0 && kLogControl == 0 && kPumpFirst == 1 && kLogFolder == 1);

}  // namespace

int Pump::start(int executable, const std::vector<int>& from, const std::vector<int>& to) {
  if (pid_ != 0 || from.size() != to.size() || from.empty() || from.size() > kMaxCopies) return -EINVAL;
  int fds[2 * kMaxCopies] = {};
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] < 0 || to[i] < 0) return -EBADF;
    fds[2 * i] = from[i];
    fds[2 * i + 1] = to[i];
    struct stat status {};
    has_output_ = has_output_ || (fstat(from[i], &status) == 0 && S_ISFIFO(status.st_mode));
  }
  const std::string count = std::to_string(from.size());
  const char* const argv[] = {kPumpName, count.c_str(), nullptr};
  return run(executable, fds, 2 * from.size(), argv);
}

int Pump::start_log(int executable, int folder, const std::vector<int>& from, uint64_t bytes, uint64_t segments) {
  if (pid_ != 0 || from.empty() || from.size() > kMaxSources) return -EINVAL;
  int fds[1 + kMaxSources] = {folder};
  for (size_t i = 0; i < from.size(); ++i) fds[1 + i] = from[i];
  for (size_t i = 0; i <= from.size(); ++i) {
    if (fds[i] < 0) return -EBADF;
  }
  has_output_ = true;
  const std::string numbers[] = {std::to_string(from.size()), std::to_string(bytes), std::to_string(segments)};
  const char* const argv[] = {kLogName, numbers[0].c_str(), numbers[1].c_str(), numbers[2].c_str(), nullptr};
  return run(executable, fds, 1 + from.size(), argv);
}

int Pump::run(int executable, const int* fds, size_t count, const char* const* argv) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
  control_.reset(pair[0]);
  const unique_fd theirs(pair[1]);
  CloneArguments fork;
  fork.exit_signal = SIGCHLD;
  const pid_t pid = sys_clone3(fork);
  if (pid == 0) {
    const PumpFailure failure{0, execute_beside(executable, theirs.get(), fds, count, argv), false};
    _exit(send(theirs.get(), &failure, sizeof failure, MSG_NOSIGNAL) < 0 ? 2 : 1);
  }
  if (pid < 0) {
    control_.reset();
    return pid;
  }
  pid_ = pid;
  return 0;
}

bool Pump::read() {
  for (;;) {
    PumpFailure failure;
    const ssize_t size = receive_packet(control_.get(), &failure, sizeof failure).size;
    if (size == -EAGAIN) return true;
    if (size != sizeof failure) return false;
    // a copy fails once: who says more than that is not to be believed
    if (failures_.size() < kMaxCopies) failures_.push_back(failure);
  }
}

void Pump::finish() {
  if (pid_ == 0) return;
  shutdown(control_.get(), SHUT_WR);
  // a pump that has only input may be waiting for its file
  is_needless_ = !has_output_;
  if (is_needless_) kill();
}

void Pump::kill() {
  // the number is still the pump's: it is a child of the shim, and nobody else reaps it
  if (pid_ != 0) ::kill(pid_, SIGKILL);
}

void Pump::save(Saved& to) const {
  to.number("pid", static_cast<uint64_t>(pid_)).number("has output", has_output_ ? 1 : 0).number("needless", is_needless_ ? 1 : 0);
  to.fd("control", control_.get());
  for (const PumpFailure& failure : failures_) {
    Saved item = to.inner();
    item.number("copy", failure.copy).number("error", static_cast<uint32_t>(failure.error));
    to.add("failures", item.number("reading", failure.while_reading ? 1 : 0));
  }
}

void Pump::find(const Found& found) {
  pid_ = static_cast<pid_t>(found.number("pid"));
  has_output_ = found.number("has output") != 0;
  is_needless_ = found.number("needless") != 0;
  control_ = found.fd("control");
  for (const Found& item : found.list("failures")) {
    failures_.push_back(
        {static_cast<uint32_t>(item.number("copy")), static_cast<int32_t>(item.number("error")), item.number("reading") != 0});
  }
}

void Pump::ended() {
  read();
  int status = 0;
  // somebody killed the pump: what it had not written is lost, and that must be reported
  if (waitpid(pid_, &status, __WALL) == pid_ && status != 0 && failures_.empty() && !is_needless_) failures_.push_back({0, ECHILD, false});
  pid_ = 0;
  control_.reset();
}

}  // namespace nacelle
