#include "dialer.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "../kernel/packet.h"

namespace nacelle::relay {
int Dialer::start(unique_fd peer) {
  answers_.stop();
  peer_ = std::move(peer);
  sent_.clear();
  queues_.clear();
  for (const auto& [stream, waiting] : waiting_) queues_[waiting.owner].unsent.insert(stream);
  const int result = answers_.start(loop_, peer_.get(), EPOLLIN, [this](uint32_t) { read_answers(); });
  if (result < 0) peer_.reset();
  send_dials();
  return result;
}

void Dialer::dial(uint64_t owner, Dial dial) {
  const uint64_t stream = dial.stream;
  if (is_last_ && !peer_) return fail(stream);
  waiting_[stream] = {owner, std::move(dial)};
  queues_[owner].unsent.insert(stream);
  send_dials();
}

void Dialer::forget(uint64_t stream) {
  const auto found = waiting_.find(stream);
  if (found == waiting_.end()) return;
  const uint64_t owner = found->second.owner;
  waiting_.erase(found);
  queues_[owner].unsent.erase(stream);
  tidy(owner);
  if (!peer_ || sent_.count(stream) == 0) return;
  const std::string bytes = bytes_of_end(stream);
  // without it the connector ends the dial later, by itself
  static_cast<void>(send(peer_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

void Dialer::expect_no_other() {
  is_last_ = true;
  if (!peer_) lose();
}

// What is not sent now is sent when an answer comes, or to the next connector.
void Dialer::send_dials() {
  while (peer_ && sent_.size() < kMostUnanswered) {
    const auto next = next_queue();
    if (next == queues_.end()) return;
    auto& [owner, queue] = *next;
    const uint64_t stream = *queue.unsent.begin();
    const std::string bytes = bytes_of(waiting_.at(stream).dial);
    // its end is told by the watch, and an answer that is still to come makes room
    if (send(peer_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return;
    queue.unsent.erase(stream);
    ++queue.sent;
    sent_[stream] = owner;
    turn_ = owner;
  }
}

// The owner whose turn is next, of those who may dial: nobody has more places than are left, so that there is one for who comes next.
Dialer::Queues::iterator Dialer::next_queue() {
  const size_t left = kMostUnanswered - sent_.size();
  const auto may_dial = [left](const auto& entry) { return !entry.second.unsent.empty() && entry.second.sent < left; };
  const auto turn = queues_.upper_bound(turn_);
  const auto after = std::find_if(turn, queues_.end(), may_dial);
  if (after != queues_.end()) return after;
  const auto before = std::find_if(queues_.begin(), turn, may_dial);
  return before == turn ? queues_.end() : before;
}

void Dialer::answered(uint64_t stream) {
  const auto found = sent_.find(stream);
  if (found == sent_.end()) return;
  const uint64_t owner = found->second;
  sent_.erase(found);
  --queues_[owner].sent;
  tidy(owner);
}

void Dialer::tidy(uint64_t owner) {
  const auto found = queues_.find(owner);
  if (found->second.unsent.empty() && found->second.sent == 0) queues_.erase(found);
}

void Dialer::read_answers() {
  for (;;) {
    DialAnswer answer;
    Packet<1> packet = receive_packet(peer_.get(), &answer, sizeof answer);
    if (packet.size == -EAGAIN) break;
    if (packet.size != sizeof answer) return lose();
    unique_fd& socket = packet.fds[0];
    answered(answer.stream);
    if (waiting_.erase(answer.stream) == 0) continue;  // the stream is over
    // a descriptor for which there was no room
    if (answer.result == 0 && !socket) answer.result = -EMFILE;
    connected_(answer, std::move(socket));
  }
  send_dials();
}

void Dialer::lose() {
  answers_.stop();
  peer_.reset();
  if (!is_last_) return;
  queues_.clear();
  while (!waiting_.empty()) {
    const uint64_t stream = waiting_.begin()->first;
    waiting_.erase(waiting_.begin());
    fail(stream);
  }
}

void Dialer::fail(uint64_t stream) {
  DialAnswer answer;
  answer.stream = stream;
  answer.result = -ECONNABORTED;
  connected_(answer, unique_fd());
}

}  // namespace nacelle::relay
