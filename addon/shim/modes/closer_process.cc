#include "closer_process.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "../kernel/packet.h"
#include "beside.h"

namespace nacelle {
namespace {

static_assert(kCloserControl == 0);

constexpr size_t kMostProcesses = 4;
// How many one process has to close at most: more would wait behind these, whatever others have to do.
constexpr size_t kMostTaken = 4;
// From so many on, the memory that they hold may be much, however little each has.
constexpr size_t kMany = 8;

}  // namespace

void Closers::close(unique_fd fd, uint64_t patience_ns, std::function<void()> closed) {
  Request& request = waiting_.emplace_back();
  request.fd = std::move(fd);
  request.number = given_++;
  request.closed = std::move(closed);
  if (request.closed) request.clock.start(loop_, monotonic_ns() + patience_ns, [&request] { tell(request); });
  send_waiting();
}

bool Closers::are_behind() const {
  size_t count = waiting_.size();
  for (const Process& process : processes_) count += process.taken.size();
  return count >= kMany;
}

bool Closers::have_closed(uint64_t count) const {
  const auto are_later = [count](const std::list<Request>& requests) { return requests.empty() || requests.front().number >= count; };
  return are_later(waiting_) &&
         std::all_of(processes_.begin(), processes_.end(), [&](const Process& process) { return are_later(process.taken); });
}

bool Closers::end(uint64_t patience_ns, std::function<void()> ended) {
  if (processes_.empty() || are_given_up_) return true;
  ended_ = std::move(ended);
  if (!end_clock_.running()) {
    end_clock_.start(loop_, monotonic_ns() + patience_ns, [this] {
      are_given_up_ = true;
      // one that was stopped would stay when nobody knows of it any more
      for (const Process& process : processes_) kill(process.pid, SIGKILL);
      if (ended_) std::exchange(ended_, {})();
    });
  }
  let_end();
  return false;
}

// What a process has is closed when that has ended.
void Closers::let_end() {
  if (!ended_ || !waiting_.empty()) return;
  for (Process& process : processes_) forget(process);
}

bool Closers::has(pid_t pid) const {
  return std::any_of(processes_.begin(), processes_.end(), [pid](const Process& process) { return process.pid == pid; });
}

void Closers::ended(pid_t pid, bool has_exited) {
  const auto found = std::find_if(processes_.begin(), processes_.end(), [pid](const Process& process) { return process.pid == pid; });
  if (found == processes_.end()) return;
  are_useless_ = are_useless_ || (has_exited && !ended_);
  std::list<Request> taken = std::move(found->taken);
  processes_.erase(found);
  for (Request& request : taken) tell(request);
  send_waiting();
  if (!ended_ || !processes_.empty()) return;
  end_clock_.stop();
  std::exchange(ended_, {})();
}

void Closers::tell(Request& request) {
  request.clock.stop();
  // whoever waits may give another one, so this comes last
  if (request.closed) std::exchange(request.closed, {})();
}

// One that has room, or a new one; nullptr where there is neither.
Closers::Process* Closers::one_with_room() {
  for (Process& process : processes_) {
    if (process.control && process.taken.size() < kMostTaken) return &process;
  }
  return are_useless_ || processes_.size() == kMostProcesses ? nullptr : start();
}

Closers::Process* Closers::start() {
  const char* const argv[] = {kCloserName, nullptr};
  unique_fd control;
  const pid_t pid = start_beside(executable_.get(), nullptr, 0, argv, control);
  if (pid < 0) return nullptr;
  Process& process = processes_.emplace_back();
  process.pid = pid;
  process.control = std::move(control);
  const int result = process.watch.start(loop_, process.control.get(), EPOLLIN, [this, &process](uint32_t) { read(process); });
  if (result == 0) return &process;
  // without its answers it is of no use; it ends with its socket
  forget(process);
  return nullptr;
}

// As many as they take. The others wait for an answer, or for the end of a process.
void Closers::send_waiting() {
  while (!waiting_.empty()) {
    Process* const to = one_with_room();
    if (to == nullptr && !processes_.empty()) break;
    Request& request = waiting_.front();
    const char byte = 0;
    const int fd = request.fd.get();
    const int result = to == nullptr ? -ECHILD : send_packet<1>(to->control.get(), &byte, sizeof byte, &fd, 1, MSG_DONTWAIT);
    if (result == -EPIPE || result == -ECONNRESET) {
      forget(*to);  // its end is still to be heard of
      continue;
    }
    if (result < 0 && to != nullptr && !to->taken.empty()) break;  // there is more room when it has answered
    std::list<Request> one;
    one.splice(one.end(), waiting_, waiting_.begin());
    request.fd.reset();
    if (result == 0) {
      to->taken.splice(to->taken.end(), one);
    } else {
      tell(request);  // it is closed here
    }
  }
  let_end();
}

void Closers::read(Process& from) {
  char answer = 0;
  for (;;) {
    const ssize_t size = receive_packet(from.control.get(), &answer, sizeof answer).size;
    if (size == -EAGAIN) break;
    if (size != sizeof answer || from.taken.empty()) {
      forget(from);
      break;
    }
    std::list<Request> one;
    one.splice(one.end(), from.taken, from.taken.begin());
    tell(one.front());
  }
  send_waiting();
}

// What it has may not be closed yet, so those who wait go on doing so until it is gone.
void Closers::forget(Process& process) {
  process.watch.stop();
  process.control.reset();
}

}  // namespace nacelle
