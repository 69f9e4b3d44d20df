#include "service.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "../kernel/socket_options.h"

namespace nacelle::names {
namespace {

// What is taken from one client in one turn.
constexpr int kMostInTurn = 32;
// As we tell clients by EDNS0; a longer query is none that anybody makes.
constexpr size_t kMaxDatagramQuery = kOurSize;
constexpr uint64_t kPause = 1000 * kMillisecond;

// Room for what one call takes.
struct Datagrams {
  Datagrams() {
    for (int i = 0; i < kMostInTurn; ++i) {
      parts[i] = {bytes[i], sizeof bytes[i]};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_name = &from[i];
      messages[i].msg_hdr.msg_namelen = sizeof from[i];
    }
  }

  // As recvmmsg with room for one.
  int receive_one(int fd) {
    socklen_t& from_size = messages[0].msg_hdr.msg_namelen;
    const ssize_t size =
        recvfrom(fd, bytes[0], sizeof bytes[0], MSG_DONTWAIT | MSG_TRUNC, reinterpret_cast<sockaddr*>(&from[0]), &from_size);
    if (size < 0) return -1;
    messages[0].msg_len = static_cast<unsigned>(size);
    messages[0].msg_hdr.msg_flags = static_cast<size_t>(size) > sizeof bytes[0] ? MSG_TRUNC : 0;
    return 1;
  }

  char bytes[kMostInTurn][kMaxDatagramQuery];
  sockaddr_storage from[kMostInTurn];
  iovec parts[kMostInTurn];
  mmsghdr messages[kMostInTurn] = {};
};

}  // namespace

Service::Service(Loop& loop, std::shared_ptr<Answers> answers, Shares& connections, uint64_t id)
    : loop_(loop), answers_(std::move(answers)), shares_(connections), id_(id) {}

int Service::start(unique_fd udp, unique_fd tcp) {
  udp_ = std::move(udp);
  tcp_ = std::move(tcp);
  if (!is_internet(udp_.get(), SOCK_DGRAM) || !is_listening(tcp_.get())) return -EINVAL;
  if (fcntl(tcp_.get(), F_SETFL, O_NONBLOCK) < 0) return -errno;
  const int result = datagrams_.start(loop_, udp_.get(), EPOLLIN, [this](uint32_t) { take_datagrams(); });
  return result < 0 ? result : connections_.start(loop_, tcp_.get(), EPOLLIN, [this](uint32_t) { take_connections(); });
}

void Service::stop() {
  datagrams_.stop();
  connections_.stop();
  pause_.stop();
  answers_->forget();
  shares_.remove_all(id_);
  udp_.reset();
  tcp_.reset();
}

// To look for more than one datagram takes half as long again as to take one. Where each came alone for some time, the service looks for
// more at every eighth alone.
void Service::take_datagrams() {
  constexpr unsigned kCalm = 4, kLook = 8;
  static Datagrams taken;
  const bool is_calm = calm_ >= kCalm && calm_ % kLook != 0;
  // an error is what an earlier answer met, which the client is to find out
  const int count = is_calm ? taken.receive_one(udp_.get()) : recvmmsg(udp_.get(), taken.messages, kMostInTurn, MSG_DONTWAIT, nullptr);
  calm_ = count > 1 ? 0 : calm_ + 1;
  // one alone has woken the loop, which would have heard too of what had changed before
  if (count == 1 && loop_.alone()) {
    answers_->presume_fresh();
  } else {
    answers_->refresh();
  }
  for (int i = 0; i < count; ++i) {
    msghdr& header = taken.messages[i].msg_hdr;
    const bool is_whole = (header.msg_flags & MSG_TRUNC) == 0;
    if (is_whole) take_datagram({taken.bytes[i], taken.messages[i].msg_len}, taken.from[i], header.msg_namelen);
    header.msg_namelen = sizeof taken.from[i];
  }
}

// A client that doesn't read loses answers, as on any network.
void Service::take_datagram(std::string_view message, const sockaddr_storage& from, socklen_t from_size) {
  Query query;
  std::string answer;
  const Outcome outcome = answers_->ask(message, false, query, answer);
  if (outcome == Outcome::kAnswer) reply(answer, from, from_size);
  if (outcome != Outcome::kForward) return;
  answers_->forward(message, query, false, [self = weak_from_this(), from, from_size](const std::string& late) {
    const std::shared_ptr<Service> service = self.lock();
    if (service && service->udp_) service->reply(late, from, from_size);
  });
}

void Service::reply(const std::string& answer, const sockaddr_storage& to, socklen_t to_size) {
  sendto(udp_.get(), answer.data(), answer.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), to_size);
}

void Service::take_connections() {
  for (int i = 0; i < kMostInTurn; ++i) {
    unique_fd fd(accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) {
      take_connection(std::move(fd));
      continue;
    }
    // whoever may administer the network namespace can destroy the socket, which is ready for ever then (SOCK_DESTROY, since Linux 4.5)
    if (errno == EINVAL) return connections_.stop();
    const bool is_full = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (is_full && connections_.change(0) == 0) pause_.start(loop_, monotonic_ns() + kPause, [this] { connections_.change(EPOLLIN); });
    return;
  }
}

void Service::take_connection(unique_fd fd) {
  const uint64_t number = ++last_;
  const auto ended = [this, number] {
    shares_.remove(id_, number);
    const auto item = open_.find(number);
    // the connection is just being called
    loop_.later([kept = item->second] {});
    open_.erase(item);
  };
  const auto connection = std::make_shared<Connection>(loop_, *answers_, std::move(fd), ended);
  open_.emplace(number, connection);
  shares_.add(id_, number, [this, number] { open_.at(number)->close(); });
  if (open_.count(number) > 0) connection->start();
}

}  // namespace nacelle::names
