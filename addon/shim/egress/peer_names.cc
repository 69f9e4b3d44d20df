#include "peer_names.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace nacelle::egress {
namespace {

// The server answers from memory; one that was killed is there again within this time.
constexpr uint64_t kPatience = 1000 * kMillisecond;
constexpr size_t kMost = 256;
constexpr int kMostInTurn = 32;

uint16_t id_of(uint64_t number) { return static_cast<uint16_t>(number & 0xffff); }

}  // namespace

std::string roomy_query(std::string_view message, const names::Query& query) {
  if (query.type != names::kTypeA && query.type != names::kTypeAaaa) return std::string(message);
  // one question, and behind it an OPT record of EDNS0 (RFC 6891, 6.1.2)
  std::string out(message.substr(0, query.question_end));
  constexpr size_t kCounts = 4;
  constexpr char kOneAndOne[] = "\0\1\0\0\0\0\0\1";
  out.replace(kCounts, names::kHeaderSize - kCounts, kOneAndOne, sizeof kOneAndOne - 1);
  constexpr uint16_t kEnd = 0;
  out += '\0';
  for (const uint16_t value : {names::kTypeOpt, names::kMaxDatagram, kEnd, kEnd, kEnd}) {
    out += static_cast<char>(value >> 8);
    out += static_cast<char>(value & 0xff);
  }
  return out;
}

int PeerNames::start(unique_fd socket) {
  socket_ = std::move(socket);
  return watch_.start(loop_, socket_.get(), EPOLLIN, [this](uint32_t) { ready(); });
}

void PeerNames::ask(std::string_view message, const names::Query& query, Told told) {
  if (waiting_.size() >= kMost) answer(waiting_.begin()->first, {});
  const uint64_t number = ++last_;
  waiting_[number] = {std::string(message), query, monotonic_ns() + kPatience, std::move(told)};
  const std::string asked = names::with_id(roomy_query(message, query), id_of(number));
  ssize_t sent = send(socket_.get(), asked.data(), asked.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  // what an earlier one met is told now
  if (sent < 0 && errno == ECONNREFUSED) sent = send(socket_.get(), asked.data(), asked.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) {
    loop_.later([this, number, alive = is_alive_] {
      if (*alive) answer(number, {});
    });
  }
  watch_time();
}

void PeerNames::ready() {
  static char buffer[names::kMaxDatagram];
  for (int i = 0; i < kMostInTurn; ++i) {
    const ssize_t size = recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && errno == ECONNREFUSED) {
      answer_all();
      continue;
    }
    // whoever may administer the network namespace can destroy the socket (SOCK_DESTROY, since Linux 4.5)
    if (size < 0 && errno == ECONNABORTED) return watch_.stop();
    if (size < 0) return;
    take({buffer, static_cast<size_t>(size)});
  }
}

void PeerNames::take(std::string_view answer_bytes) {
  const auto is_its = [&](const auto& entry) {
    return names::is_answer(answer_bytes, entry.second.message, entry.second.query, id_of(entry.first));
  };
  const auto found = std::find_if(waiting_.begin(), waiting_.end(), is_its);
  if (found != waiting_.end()) answer(found->first, std::string(answer_bytes));
}

// Whoever is told may ask again.
void PeerNames::answer(uint64_t number, const std::string& with) {
  const auto found = waiting_.find(number);
  if (found == waiting_.end()) return;
  loop_.later([told = std::move(found->second.told), with, alive = is_alive_] {
    if (*alive) told(with);
  });
  waiting_.erase(found);
  watch_time();
}

void PeerNames::answer_all() {
  while (!waiting_.empty()) answer(waiting_.begin()->first, {});
}

void PeerNames::watch_time() {
  if (waiting_.empty()) return timer_.stop();
  timer_.start(loop_, waiting_.begin()->second.ends_at, [this] {
    answer(waiting_.begin()->first, {});
    watch_time();
  });
}

}  // namespace nacelle::egress
