#include "connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace nacelle::names {
namespace {

constexpr uint64_t kIdle = 3000 * kMillisecond;
constexpr size_t kMostOut = 64 * 1024, kMostWaiting = 64;
constexpr size_t kSize = 2;  // bytes of the size before each message

}  // namespace

Connection::Connection(Loop& loop, Answers& answers, unique_fd fd, std::function<void()> ended)
    : loop_(loop), answers_(answers), fd_(std::move(fd)), ended_(std::move(ended)) {}

void Connection::start() {
  active_at_ = monotonic_ns();
  idle_.start(loop_, active_at_ + kIdle, [this] { check_idle(); });
  events_ = EPOLLIN;
  if (watch_.start(loop_, fd_.get(), events_, [this](uint32_t events) { ready(events); }) < 0) close();
}

void Connection::close() {
  if (!fd_) return;
  watch_.stop();
  idle_.stop();
  fd_.reset();
  ended_();
}

bool Connection::has_room() const { return out_.size() < kMostOut && waiting_ < kMostWaiting; }

void Connection::ready(uint32_t events) {
  int result = (events & (EPOLLERR | EPOLLHUP)) != 0 ? -ECONNRESET : 0;
  if (result == 0 && (events & EPOLLIN) != 0) result = read_some();
  if (result == 0) result = go_on();
  if (result < 0) close();
}

int Connection::read_some() {
  static char buffer[4096];  // so much in one turn: others wait
  const ssize_t count = recv(fd_.get(), buffer, sizeof buffer, 0);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
  if (count == 0) is_read_ = true;
  answers_.refresh();
  in_.append(buffer, static_cast<size_t>(count));
  return 0;
}

// Takes queries and writes answers, as far as that goes now. -errno at the end.
int Connection::go_on() {
  for (;;) {
    if (!take_queries()) return -EMSGSIZE;
    if (out_.empty()) break;
    const ssize_t count = send(fd_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EAGAIN) break;
    if (count < 0) return -errno;
    out_.erase(0, static_cast<size_t>(count));
    active_at_ = monotonic_ns();
  }
  if (is_read_ && out_.empty() && waiting_ == 0) return -ECONNRESET;
  const uint32_t events = (is_read_ || !has_room() ? 0U : EPOLLIN) | (out_.empty() ? 0U : EPOLLOUT);
  if (events == events_) return 0;
  events_ = events;
  return watch_.change(events);
}

// False for a query that is longer than any.
bool Connection::take_queries() {
  size_t at = 0;
  while (has_room() && in_.size() - at >= kSize) {
    const size_t size = static_cast<uint8_t>(in_[at]) << 8 | static_cast<uint8_t>(in_[at + 1]);
    if (size > kOurSize) return false;
    if (in_.size() - at < kSize + size) break;
    const std::string_view message(in_.data() + at + kSize, size);
    at += kSize + size;
    active_at_ = monotonic_ns();
    Query query;
    std::string answer;
    const Outcome outcome = answers_.ask(message, true, query, answer);
    if (outcome == Outcome::kAnswer) put(answer);
    if (outcome != Outcome::kForward) continue;
    ++waiting_;
    answers_.forward(message, query, true, [self = weak_from_this()](const std::string& late) {
      if (const std::shared_ptr<Connection> connection = self.lock()) connection->take_answer(late);
    });
  }
  in_.erase(0, at);
  return true;
}

void Connection::take_answer(const std::string& answer) {
  if (!fd_) return;
  --waiting_;
  // a client that asks on and does not read: what it is owed has a bound
  if (out_.size() >= kMostOut) return close();
  put(answer);
  if (go_on() < 0) close();
}

void Connection::put(const std::string& answer) {
  out_ += static_cast<char>(answer.size() >> 8);
  out_ += static_cast<char>(answer.size() & 0xff);
  out_ += answer;
}

// Whoever is waited for is the host's servers, or a client that sends no whole query, or does not read.
void Connection::check_idle() {
  const bool is_idle = monotonic_ns() >= active_at_ + kIdle;
  if (is_idle && (waiting_ == 0 || !out_.empty())) return close();
  idle_.start(loop_, is_idle ? monotonic_ns() + kIdle : active_at_ + kIdle, [this] { check_idle(); });
}

}  // namespace nacelle::names
