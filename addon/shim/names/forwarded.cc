#include "forwarded.h"

#include <algorithm>
#include <utility>

namespace nacelle::names {
namespace {

// The C library asks again after 5 s.
constexpr uint64_t kPatience = 4000 * kMillisecond, kTurn = 1000 * kMillisecond;

}  // namespace

Forwarded::Forwarded(Loop& loop, std::shared_ptr<const std::vector<NameServer>> servers, std::string message, Query query, bool is_tcp,
                     Done done)
    : loop_(loop), servers_(std::move(servers)), message_(std::move(message)), query_(std::move(query)), done_(std::move(done)) {
  for (const NameServer& server : *servers_) {
    const size_t index = upstreams_.size();
    const auto told = [this, index](std::string answer) { take(index, std::move(answer)); };
    upstreams_.push_back(std::make_unique<Upstream>(loop_, server, is_tcp, message_, query_, told));
  }
}

void Forwarded::begin() {
  ends_at_ = monotonic_ns() + kPatience;
  ask_next();
}

void Forwarded::ask_next() {
  const uint64_t now = monotonic_ns();
  const auto asked = [](const auto& upstream) { return !upstream->has_ended(); };
  if (now >= ends_at_ || std::none_of(upstreams_.begin(), upstreams_.end(), asked)) return finish(std::move(last_failure_));
  timer_.start(loop_, std::min(now + kTurn, ends_at_), [this] { ask_next(); });
  while (upstreams_[turn_ % upstreams_.size()]->has_ended()) ++turn_;
  upstreams_[turn_++ % upstreams_.size()]->ask();
}

void Forwarded::take(size_t index, std::string answer) {
  const Code code = answer.empty() ? Code::kServerFailure : code_of(answer);
  if (code != Code::kServerFailure && code != Code::kRefused) return finish(std::move(answer));
  upstreams_[index]->end();
  if (!answer.empty()) last_failure_ = std::move(answer);
  ask_next();
}

void Forwarded::finish(std::string answer) {
  timer_.stop();
  for (const auto& upstream : upstreams_) upstream->end();
  const Done done = std::move(done_);
  done_ = nullptr;
  if (done) done(std::move(answer));
}

}  // namespace nacelle::names
