#include "upstream.h"

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace nacelle::names {
namespace {

bool is_later(int error) { return error == -EAGAIN || error == -EINTR; }

}  // namespace

Upstream::Upstream(Loop& loop, const NameServer& server, bool is_tcp, const std::string& message, const Query& query, Told told)
    : loop_(loop), server_(server), is_tcp_(is_tcp), message_(message), query_(query), told_(std::move(told)) {}

void Upstream::ask() {
  int result = 0;
  if (!socket_) result = connect();
  if (result == 0 && !is_tcp_) result = send_datagram();
  if (result < 0) fail();
}

void Upstream::end() {
  watch_.stop();
  socket_.reset();
  has_ended_ = true;
}

int Upstream::connect() {
  const int type = (is_tcp_ ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
  socket_.reset(socket(server_.address.ss_family, type, 0));
  if (!socket_) return -errno;
  if (getrandom(&id_, sizeof id_, 0) != sizeof id_) return -EIO;
  const int result = ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&server_.address), server_.size);
  if (result < 0 && errno != EINPROGRESS) return -errno;
  if (is_tcp_) {
    const size_t size = message_.size();
    out_ = {static_cast<char>(size >> 8), static_cast<char>(size & 0xff)};
    out_ += with_id(message_, id_);
  }
  return watch_.start(loop_, socket_.get(), is_tcp_ ? EPOLLOUT : EPOLLIN, [this](uint32_t events) { ready(events); });
}

int Upstream::send_datagram() {
  const std::string bytes = with_id(message_, id_);
  const bool is_sent = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  // a full queue is a lost datagram, which is sent again
  return is_sent || is_later(-errno) ? 0 : -errno;
}

int Upstream::send_some() {
  const ssize_t count = send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
  if (count < 0) return is_later(-errno) ? 0 : -errno;
  out_.erase(0, static_cast<size_t>(count));
  return out_.empty() ? watch_.change(EPOLLIN) : 0;
}

int Upstream::receive_datagrams() {
  static char buffer[kMaxMessage];
  for (;;) {
    const ssize_t size = recv(socket_.get(), buffer, sizeof buffer, 0);
    if (size < 0) return is_later(-errno) ? 0 : -errno;
    const std::string_view answer(buffer, static_cast<size_t>(size));
    // what is no answer to this query may be a guess of somebody else: the true one can still come
    if (is_answer(answer, message_, query_, id_)) return told_(std::string(answer)), 0;
  }
}

int Upstream::receive_some() {
  static char buffer[16 * 1024];
  const ssize_t count = recv(socket_.get(), buffer, sizeof buffer, 0);
  if (count < 0) return is_later(-errno) ? 0 : -errno;
  if (count == 0) return -ECONNRESET;
  in_.append(buffer, static_cast<size_t>(count));
  if (in_.size() < 2) return 0;
  const size_t size = static_cast<uint8_t>(in_[0]) << 8 | static_cast<uint8_t>(in_[1]);
  if (in_.size() < 2 + size) return 0;
  const std::string answer = in_.substr(2, size);
  if (!is_answer(answer, message_, query_, id_)) return -EPROTO;
  return told_(answer), 0;
}

void Upstream::ready(uint32_t events) {
  int result;
  if (!is_tcp_) {
    result = receive_datagrams();
  } else if (!out_.empty()) {
    result = send_some();
  } else {
    result = receive_some();
  }
  // an error that no call has told of would wake the loop for ever
  if (result == 0 && is_tcp_ && !has_ended_ && (events & (EPOLLERR | EPOLLHUP)) != 0 && (events & EPOLLIN) == 0) result = -ECONNRESET;
  if (result < 0) fail();
}

void Upstream::fail() {
  end();
  told_(std::string());
}

}  // namespace nacelle::names
