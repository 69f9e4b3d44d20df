#include "stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace nacelle::relay {
namespace {

void turn_on(int fd, int level, int option) {
  constexpr int kOn = 1;
  static_cast<void>(setsockopt(fd, level, option, &kOn, sizeof kOn));
}

// What is written goes at once. A side that is gone without a word is found out by the kernel, and nothing else ends an idle stream.
void prepare(int fd) {
  turn_on(fd, IPPROTO_TCP, TCP_NODELAY);
  turn_on(fd, SOL_SOCKET, SO_KEEPALIVE);
}

int pending_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
}

}  // namespace

void break_off(int fd) {
  constexpr linger kAtOnce{1, 0};
  if (fd >= 0) static_cast<void>(setsockopt(fd, SOL_SOCKET, SO_LINGER, &kAtOnce, sizeof kAtOnce));
}

Stream::Stream(Loop& loop, PipePool& pool, unique_fd client, std::vector<Endpoint> to, Calls calls)
    : loop_(loop), to_(std::move(to)), calls_(std::move(calls)), up_(pool), down_(pool), active_at_(monotonic_ns()) {
  client_.fd = std::move(client);
  if (calls_.opening) up_.allow(0);
}

// Nothing is read from the client before there is somebody to whom it can go, but a client that breaks off is heard.
void Stream::start() {
  prepare(client_.fd.get());
  if (watch(client_, 0) < 0) return reset();
  dial_next();
}

void Stream::dial_next() {
  if (tried_ == to_.size()) return reset();
  calls_.dial(to_[tried_++]);
}

void Stream::connected(int result, unique_fd server) {
  if (!client_.fd) return;
  if (result < 0) return dial_next();
  server_.fd = std::move(server);
  if (watch(server_, EPOLLOUT) < 0) reset();
}

void Stream::server_ready(uint32_t events) {
  if (is_connected_) return ready(server_, events, down_, up_);
  if (pending_error(server_.fd.get()) < 0) {
    unwatch(server_);
    server_.fd.reset();
    return dial_next();
  }
  is_connected_ = true;
  prepare(server_.fd.get());
  if (end_flows() < 0) reset();
}

// `from_here` carries what this side sends, `to_here` what it is to receive.
void Stream::ready(Side& side, uint32_t events, Flow& from_here, Flow& to_here) {
  const Side& other = &side == &client_ ? server_ : client_;
  active_at_ = monotonic_ns();
  int result = (events & EPOLLERR) != 0 ? -ECONNRESET : 0;
  const bool hung_up = (events & EPOLLHUP) != 0;
  if (is_connected_) {
    if (result == 0 && from_here.wants_read() && may_move(side, events, result) && ((events & EPOLLIN) != 0 || hung_up)) {
      result = from_here.move(side.fd.get(), other.fd.get());
    }
    if (result == 0 && to_here.wants_write() && ((events & EPOLLOUT) != 0 || hung_up)) {
      result = to_here.move(other.fd.get(), side.fd.get());
    }
    if (result == 0) result = end_flows();
    if (!side.fd) return;
  }
  if (result < 0) return reset();
  // this would be told for ever, while nothing can be done about the side
  if (hung_up && side.events == 0) unwatch(side);
}

// False while what a side says is held back; that stays in its socket. -errno in `result` when it is not to go on.
bool Stream::may_move(const Side& side, uint32_t events, int& result) {
  if (!is_opening()) return true;
  const bool may = &side == &client_ ? client_may(events, result) : server_may(events, result);
  if (result < 0) calls_.refused();
  return may;
}

bool Stream::client_may(uint32_t events, int& result) {
  if (up_.may_take()) return true;
  client_ended_ = client_ended_ || (events & (EPOLLRDHUP | EPOLLHUP)) != 0;
  if ((events & EPOLLIN) == 0 && !client_ended_) return false;
  const egress::Admission admission = calls_.opening->look(client_.fd.get(), client_ended_);
  if (admission == egress::Admission::kRefuse) result = -ECONNREFUSED;
  if (admission != egress::Admission::kAdmit) return false;
  up_.allow(calls_.opening->admitted());
  return true;
}

// Until the ClientHello has gone on, what the server says is no answer to that.
bool Stream::server_may(uint32_t events, int& result) {
  const bool goes_on = up_.wants_write() || (up_.wants_read() && up_.may_take());
  if (!calls_.opening->awaits_answer() || goes_on) return true;
  const bool has_ended = (events & (EPOLLRDHUP | EPOLLHUP)) != 0;
  if ((events & EPOLLIN) == 0 && !has_ended) return false;
  const egress::Admission admission = calls_.opening->look_at_answer(server_.fd.get(), has_ended);
  if (admission == egress::Admission::kRefuse) result = -ECONNREFUSED;
  if (admission != egress::Admission::kAdmit) return false;
  up_.allow(calls_.opening->admitted());
  return true;
}

// Passes on that one side has said all, and waits for what is still to come. -errno.
int Stream::end_flows() {
  if (up_.has_ended() && !up_ended_) {
    up_ended_ = true;
    if (shutdown(server_.fd.get(), SHUT_WR) < 0) return -errno;
  }
  if (down_.has_ended() && !down_ended_) {
    down_ended_ = true;
    if (shutdown(client_.fd.get(), SHUT_WR) < 0) return -errno;
  }
  if (up_ended_ && down_ended_) return close(), 0;
  const int result = watch(client_, awaited_of_client());
  return result < 0 ? result : watch(server_, awaited_of_server());
}

uint32_t Stream::awaited_of_client() const {
  const uint32_t room = down_.wants_write() ? uint32_t{EPOLLOUT} : 0U;
  if (!up_.wants_read()) return room;
  if (!is_opening() || up_.may_take()) return room | EPOLLIN;
  // a client of which more is waited for may end instead
  if (!calls_.opening->awaits_answer()) return room | EPOLLIN | EPOLLRDHUP;
  return client_ended_ ? room : room | EPOLLRDHUP;
}

uint32_t Stream::awaited_of_server() const {
  const uint32_t room = up_.wants_write() ? uint32_t{EPOLLOUT} : 0U;
  if (!down_.wants_read()) return room;
  return room | EPOLLIN | (is_opening() ? uint32_t{EPOLLRDHUP} : 0U);
}

int Stream::watch(Side& side, uint32_t events) {
  if (side.is_watched && events == side.events) return 0;
  if (!side.is_watched && is_connected_ && events == 0) return 0;
  side.events = events;
  if (side.is_watched) return side.watch.change(events);
  side.is_watched = true;
  return side.watch.start(loop_, side.fd.get(), events, [this, &side](uint32_t happened) {
    if (&side == &server_) return server_ready(happened);
    ready(client_, happened, up_, down_);
  });
}

void Stream::unwatch(Side& side) {
  side.watch.stop();
  side.is_watched = false;
}

void Stream::reset() {
  break_off(client_.fd.get());
  break_off(server_.fd.get());
  close();
}

void Stream::close() {
  if (!client_.fd) return;
  for (Side* side : {&client_, &server_}) {
    unwatch(*side);
    side->fd.reset();
  }
  calls_.ended();
}

}  // namespace nacelle::relay
