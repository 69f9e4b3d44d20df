#include "datagram_port.h"

#include <sys/epoll.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "../kernel/socket_options.h"

namespace nacelle::relay {
namespace {

// What is taken from one socket in one turn.
constexpr int kMostInTurn = 32;
constexpr uint64_t kSecond = 1000 * kMillisecond;
// How long a flow may be idle, before the container has answered and since.
constexpr uint64_t kUnanswered = 30 * kSecond, kAnswered = 120 * kSecond;
constexpr uint64_t kSweep = 10 * kSecond;

// Larger than any datagram.
char buffer[65536];

// An error that is told here is of a datagram before, and is told once.
ssize_t send_on(int fd, size_t size) {
  const ssize_t sent = send(fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0 || errno == EAGAIN) return sent;
  return send(fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

std::string DatagramPort::Client::key() const {
  std::string bytes(reinterpret_cast<const char*>(&from), size);
  return bytes.append(reinterpret_cast<const char*>(&to), sizeof to);
}

DatagramPort::DatagramPort(Loop& loop, DatagramFlows& flows, uint64_t owner, Endpoint to)
    : loop_(loop), all_(flows), owner_(owner), to_(std::move(to)) {}

DatagramPort::~DatagramPort() {
  for (const auto& entry : flows_) all_.shares.remove(owner_, entry.second->number);
}

int DatagramPort::start(unique_fd socket) {
  if (!is_internet(socket.get(), SOCK_DGRAM)) return -EINVAL;
  socket_ = std::move(socket);
  return watch_.start(loop_, socket_.get(), EPOLLIN, [this](uint32_t) { take_datagrams(); });
}

void DatagramPort::take_datagrams() {
  for (int i = 0; i < kMostInTurn; ++i) {
    Client client;
    union {
      cmsghdr align;
      char bytes[CMSG_SPACE(sizeof client.to)];
    } room{};
    iovec part{buffer, sizeof buffer};
    msghdr header{};
    header.msg_name = &client.from;
    header.msg_namelen = sizeof client.from;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = room.bytes;
    header.msg_controllen = sizeof room.bytes;
    const ssize_t size = recvmsg(socket_.get(), &header, MSG_DONTWAIT);
    if (size < 0) return;
    client.size = header.msg_namelen;
    for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
      client.level = item->cmsg_level;
      client.type = item->cmsg_type;
      if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_PKTINFO)
        std::memcpy(&client.to.ipv4, CMSG_DATA(item), sizeof client.to.ipv4), client.to.ipv4.ipi_ifindex = 0;
      if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_PKTINFO)
        std::memcpy(&client.to.ipv6, CMSG_DATA(item), sizeof client.to.ipv6), client.to.ipv6.ipi6_ifindex = 0;
    }
    Flow* flow = flow_of(client);
    // where there is no room for it the datagram is lost, as datagrams are
    if (flow == nullptr) continue;
    flow->active_at = monotonic_ns();
    send_on(flow->fd.get(), static_cast<size_t>(size));
  }
}

// nullptr where none can be made.
DatagramPort::Flow* DatagramPort::flow_of(const Client& client) {
  const std::string key = client.key();
  if (const auto found = flows_.find(key); found != flows_.end()) return found->second.get();
  auto flow = std::make_unique<Flow>();
  sockaddr_storage address;
  const socklen_t size = socket_address(to_, address);
  flow->fd.reset(socket(address.ss_family, kDatagramSocket, 0));
  if (!flow->fd || connect(flow->fd.get(), reinterpret_cast<const sockaddr*>(&address), size) < 0) return nullptr;
  flow->client = client;
  flow->number = ++all_.last;
  Flow& made = *flow;
  if (made.watch.start(loop_, made.fd.get(), EPOLLIN, [this, &made](uint32_t) { take_answers(made); }) < 0) return nullptr;
  flows_.emplace(key, std::move(flow));
  if (!sweep_.running()) sweep_.start(loop_, monotonic_ns() + kSweep, [this] { end_idle(); });
  all_.shares.add(owner_, made.number, [this, key, number = made.number] {
    flows_.erase(key);
    all_.shares.remove(owner_, number);
  });
  // it may have been the one that had to go
  const auto found = flows_.find(key);
  return found == flows_.end() ? nullptr : found->second.get();
}

void DatagramPort::take_answers(Flow& flow) {
  for (int i = 0; i < kMostInTurn; ++i) {
    // an error is what a datagram before has met: nobody listens there
    const ssize_t size = recv(flow.fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0) return;
    flow.active_at = monotonic_ns();
    flow.is_answered = true;
    answer(flow.client, buffer, static_cast<size_t>(size));
  }
}

ssize_t DatagramPort::answer(const Client& client, const char* data, size_t size) const {
  union {
    cmsghdr align;
    char bytes[CMSG_SPACE(sizeof client.to)];
  } room{};
  iovec part{const_cast<char*>(data), size};
  msghdr header{};
  header.msg_name = const_cast<sockaddr_storage*>(&client.from);
  header.msg_namelen = client.size;
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  const size_t length = client.level == IPPROTO_IP ? sizeof client.to.ipv4 : sizeof client.to.ipv6;
  header.msg_control = room.bytes;
  header.msg_controllen = CMSG_SPACE(length);
  cmsghdr* item = CMSG_FIRSTHDR(&header);
  item->cmsg_level = client.level;
  item->cmsg_type = client.type;
  item->cmsg_len = CMSG_LEN(length);
  std::memcpy(CMSG_DATA(item), &client.to, length);
  return sendmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void DatagramPort::end_idle() {
  const uint64_t now = monotonic_ns();
  for (auto item = flows_.begin(); item != flows_.end();) {
    const Flow& flow = *item->second;
    if (now - flow.active_at < (flow.is_answered ? kAnswered : kUnanswered)) {
      ++item;
      continue;
    }
    all_.shares.remove(owner_, flow.number);
    item = flows_.erase(item);
  }
  if (!flows_.empty()) sweep_.start(loop_, now + kSweep, [this] { end_idle(); });
}

}  // namespace nacelle::relay
