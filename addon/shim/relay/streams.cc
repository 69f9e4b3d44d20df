#include "streams.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

namespace nacelle::relay {

Streams::Streams(Loop& loop, size_t most, std::function<void()> ended)
    : loop_(loop),
      most_(most),
      ended_(std::move(ended)),
      dialer_(loop, [this](const DialAnswer& answer, unique_fd socket) { connected(answer, std::move(socket)); }) {}

void Streams::connected(const DialAnswer& answer, unique_fd socket) {
  const auto found = streams_.find(answer.stream);
  if (found == streams_.end()) return;
  Item& item = found->second;
  const std::string address(reinterpret_cast<const char*>(answer.address), std::min<size_t>(answer.address_size, sizeof answer.address));
  // what is not there or does not answer is nobody's refusal
  if (item.guide && (answer.result == -EACCES || answer.result == -EPERM)) {
    item.guide->refusals().tell({item.goal.name, address, item.goal.port, 0});
  }
  item.place = {address, answer.is_own != 0};
  // the list may have changed while it was being connected
  if (answer.result == 0 && item.guide && !item.guide->allows(item.goal, item.place)) return item.stream->reset();
  item.stream->connected(answer.result, std::move(socket));
}

bool Streams::make_room(uint64_t owner) {
  if (count_ < most_) return true;
  const auto most = std::max_element(counts_.begin(), counts_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto own = counts_.find(owner);
  if (most == counts_.end() || most->second <= (own == counts_.end() ? 0 : own->second) + 1) return false;
  longest_idle(most->first).reset();
  return true;
}

Stream& Streams::longest_idle(uint64_t owner) {
  Stream* found = nullptr;
  for (const auto& entry : streams_) {
    const Item& item = entry.second;
    if (item.owner == owner && (found == nullptr || item.stream->active_at() < found->active_at())) found = item.stream.get();
  }
  return *found;
}

void Streams::add(uint64_t owner, uint64_t socket, unique_fd client, std::vector<Endpoint> to) {
  add({owner, socket, nullptr, {}, {}, nullptr}, std::move(client), std::move(to), nullptr, nullptr);
}

void Streams::add(uint64_t owner, uint64_t socket, unique_fd client, egress::Goal goal, std::shared_ptr<egress::Guide> guide) {
  std::shared_ptr<egress::OpeningCheck> opening;
  std::function<void()> refused;
  if (!goal.name.empty()) {
    opening = std::make_shared<egress::OpeningCheck>(goal.name, goal.port);
    refused = [opening, guide, goal] {
      const std::string& other = opening->other_name();
      guide->refusals().tell({other.empty() ? goal.name : other, {}, goal.port, 0});
    };
  }
  const Endpoint to{goal.address, goal.port};
  add({owner, socket, nullptr, std::move(goal), {}, std::move(guide)}, std::move(client), {to}, std::move(opening), std::move(refused));
}

void Streams::add(Item item, unique_fd client, std::vector<Endpoint> to, std::shared_ptr<egress::OpeningCheck> opening,
                  std::function<void()> refused) {
  const uint64_t number = ++last_;
  const auto dial = [this, number, owner = item.owner, socket = item.socket, name = item.goal.name](const Endpoint& endpoint) {
    dialer_.dial(owner, {number, socket, endpoint, name});
  };
  Stream::Calls calls{dial, std::move(opening), std::move(refused), [this, number] { remove(number); }};
  item.stream = std::make_unique<Stream>(loop_, pool_, std::move(client), std::move(to), std::move(calls));
  Stream& added = *item.stream;
  ++counts_[item.owner];
  ++count_;
  streams_.emplace(number, std::move(item));
  added.start();
}

void Streams::remove(uint64_t number) {
  const auto found = streams_.find(number);
  dialer_.forget(number);
  const auto count = counts_.find(found->second.owner);
  if (--count->second == 0) counts_.erase(count);
  --count_;
  // the stream is just being called
  const std::shared_ptr<Stream> kept = std::move(found->second.stream);
  streams_.erase(found);
  loop_.later([this, kept] { ended_(); });
}

void Streams::end_refused(uint64_t socket) {
  std::vector<Stream*> all;
  for (const auto& entry : streams_) {
    const Item& item = entry.second;
    if (item.socket == socket && item.guide && !item.guide->allows(item.goal, item.place)) all.push_back(item.stream.get());
  }
  for (Stream* stream : all) stream->reset();
}

void Streams::end_all(uint64_t socket) {
  std::vector<Stream*> all;
  for (const auto& entry : streams_) {
    if (entry.second.socket == socket) all.push_back(entry.second.stream.get());
  }
  for (Stream* stream : all) stream->reset();
}

}  // namespace nacelle::relay
