#include "closer_process.h"

#include <sys/epoll.h>

#include <cerrno>
#include <utility>

#include "../kernel/packet.h"
#include "beside.h"

namespace nacelle {

static_assert(kCloserControl == 0);

void Closer::close(int executable, unique_fd fd) {
  // a failure leaves the descriptor to be closed here
  static_cast<void>(send(executable, fd.get(), CloseRequest::kQuietly));
}

void Closer::close(int executable, unique_fd fd, std::function<void()> closed) {
  const int result = send(executable, fd.get(), CloseRequest::kAndTell);
  fd.reset();
  if (result < 0) return closed();
  waiting_.push_back(std::move(closed));
}

int Closer::start(int executable) {
  if (is_useless_) return -ENOSYS;
  const char* const argv[] = {kCloserName, nullptr};
  const pid_t pid = start_beside(executable, nullptr, 0, argv, control_);
  if (pid < 0) return pid;
  pid_ = pid;
  const int result = watch_.start(loop_, control_.get(), EPOLLIN, [this](uint32_t) { read(); });
  // without its answers it is of no use; it ends with its socket
  if (result < 0) control_.reset();
  return result;
}

int Closer::send(int executable, int fd, CloseRequest request) {
  if (!control_ && pid_ != 0) return -ECHILD;  // its end is still to be heard of
  if (const int result = control_ ? 0 : start(executable); result < 0) return result;
  return send_packet<1>(control_.get(), &request, sizeof request, &fd, 1, MSG_DONTWAIT);
}

void Closer::read() {
  for (;;) {
    CloseRequest answer{};
    const ssize_t size = receive_packet(control_.get(), &answer, sizeof answer).size;
    if (size == -EAGAIN) return;
    if (size != sizeof answer || waiting_.empty()) return forget();
    const std::function<void()> closed = std::move(waiting_.front());
    waiting_.pop_front();
    closed();
  }
}

// What it has may not be closed yet, so those who wait go on doing so until it is gone.
void Closer::forget() {
  watch_.stop();
  control_.reset();
}

void Closer::ended(bool has_exited) {
  is_useless_ = is_useless_ || has_exited;
  pid_ = 0;
  forget();
  for (const std::function<void()>& closed : std::exchange(waiting_, {})) closed();
}

}  // namespace nacelle
