#include "relay_process.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "../kernel/packet.h"
#include "beside.h"
#include "relay.h"

namespace nacelle {

static_assert(kRelayControl == 0);

// Of its answers: a process that a container has taken over must not keep the shim busy.
constexpr int kMostInTurn = 64;

int RelayProcess::start(int executable, const char* name, Told told, Refused refused) {
  if (pid_ != 0) return -EBUSY;
  const char* const argv[] = {name, nullptr};
  const pid_t pid = start_beside(executable, nullptr, 0, argv, control_, ns_);
  if (pid < 0) return pid;
  pid_ = pid;
  const auto ready = [this, told = std::move(told), refused = std::move(refused)](uint32_t) { read_answers(told, refused); };
  const int result = answers_.start(loop_, control_.get(), EPOLLIN, ready);
  if (result < 0) forget();
  return result;
}

void RelayProcess::ask(const relay::Request& request, Descriptors fds) {
  if (pid_ == 0) return;  // the next process is told of all
  unsent_.push_back({request, std::move(fds)});
  send_requests();
}

void RelayProcess::drop(uint64_t socket) {
  const auto is_about = [socket](const Unsent& item) { return item.request.socket == socket; };
  unsent_.erase(std::remove_if(unsent_.begin(), unsent_.end(), is_about), unsent_.end());
}

void RelayProcess::forget() {
  answers_.stop();
  pid_ = 0;
  control_.reset();
  unsent_.clear();
  unanswered_ = 0;
}

void RelayProcess::send_requests() {
  while (!unsent_.empty() && unanswered_ < relay::kMostUnanswered) {
    const int result = send(unsent_.front());
    // long requests fill the socket, and an answer that is still to come makes room
    if (result == -EAGAIN && unanswered_ > 0) return;
    // it has died, or can't be told: the next process is
    if (result < 0) return end();
    unsent_.pop_front();
    ++unanswered_;
  }
}

// The number is still that process's: it is a child of the shim, and nobody else reaps it.
void RelayProcess::end() const { kill(pid_, SIGKILL); }

int RelayProcess::send(const Unsent& item) const {
  const std::string bytes = bytes_of(item.request);
  int fds[relay::kMostDescriptors];
  size_t count = 0;
  for (const auto& fd : item.fds) fds[count++] = fd->get();
  return send_packet<relay::kMostDescriptors>(control_.get(), bytes.data(), bytes.size(), fds, count, MSG_DONTWAIT);
}

void RelayProcess::read_answers(const Told& told, const Refused& refused) {
  for (int i = 0; i < kMostInTurn; ++i) {
    relay::RequestAnswer answer;
    char bytes[relay::kMaxRefusal];
    const ssize_t size = receive_packet(control_.get(), bytes, sizeof bytes).size;
    if (size == -EAGAIN) break;
    // it has ended, or says what no such process would: the next one begins anew
    if (size < static_cast<ssize_t>(sizeof answer)) {
      answers_.stop();
      return end();
    }
    std::memcpy(&answer, bytes, sizeof answer);
    if (answer.kind == static_cast<uint32_t>(relay::RequestKind::kRefused)) {
      egress::Refusal refusal;
      if (!relay::read_refusal(bytes, static_cast<size_t>(size), refusal)) return end();
      refused(answer.socket, refusal);
      continue;
    }
    if (answer.kind != 0 && unanswered_ > 0) --unanswered_;
    told(answer);
  }
  send_requests();
}

}  // namespace nacelle
