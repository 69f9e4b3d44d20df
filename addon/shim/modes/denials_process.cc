#include "denials_process.h"

#include <signal.h>
#include <sys/socket.h>

#include <cstring>

#include "../kernel/memfd.h"
#include "../kernel/packet.h"
#include "../kernel/syscalls.h"
#include "beside.h"

namespace nacelle {

int Denials::start(int executable, int listener, const DenialRules& rules) {
  if (pid_ != 0) return -EBUSY;
  std::string bytes;
  Writer(bytes).bytes(rules.answers.data, rules.answers.size);
  bytes.append(rules.looks.data, rules.looks.size);
  unique_fd file;
  const int written = sealed_memfd(bytes.data(), bytes.size(), file);
  if (written < 0) return written;
  const int fds[] = {listener, file.get()};
  const char* const argv[] = {kDenialsName, nullptr};
  unique_fd control;
  const pid_t pid = start_beside(executable, fds, 2, argv, control);
  if (pid < 0) return pid;
  pid_ = pid;
  is_killed_ = false;
  control_ = std::move(control);
  return 0;
}

bool Denials::read(size_t most, const std::function<void(const Denial&, const std::string&)>& told) {
  static char buffer[kMaxDenial];
  for (size_t count = 0; count < most; ++count) {
    const ssize_t size = receive_packet(control_.get(), buffer, sizeof buffer).size;
    if (size == -EAGAIN) return true;
    if (size < static_cast<ssize_t>(sizeof(Denial))) return false;
    Denial denial;
    std::memcpy(&denial, buffer, sizeof denial);
    told(denial, {buffer, static_cast<size_t>(size)});
  }
  return true;
}

void Denials::kill() {
  // the number is still that process's: it is a child of the shim, and nobody else reaps it
  if (pid_ != 0) ::kill(pid_, SIGKILL);
  is_killed_ = true;
}

bool Denials::leave() {
  if (send(control_.get(), "", 1, MSG_NOSIGNAL) != 1) return false;
  forget();
  return true;
}

bool Denials::ended() {
  int status = 0;
  const bool is_fine = waitpid(pid_, &status, __WALL) == pid_ && status == 0;
  forget();
  return is_fine || is_killed_;
}

void Denials::forget() {
  pid_ = 0;
  control_.reset();
}

void Denials::save(Saved& to) const {
  to.number("pid", static_cast<uint64_t>(pid_)).number("killed", is_killed_ ? 1 : 0).fd("control", control_.get());
}

void Denials::find(const Found& found) {
  pid_ = static_cast<pid_t>(found.number("pid"));
  is_killed_ = found.number("killed") != 0;
  control_ = found.fd("control");
}

}  // namespace nacelle
