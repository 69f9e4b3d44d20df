#include "resolver.h"

#include <sys/epoll.h>

#include <utility>

namespace nacelle::names {

int Resolver::open(int folder, unique_fd changes) {
  if (const int result = folder_.open(folder, std::move(changes)); result != 0) return result;
  return changes_.start(loop_, folder_.changes(), EPOLLIN, [this](uint32_t) { folder_.refresh(); });
}

void Resolver::forward(uint64_t owner, const Scope& scope, std::string_view message, const Query& query, bool is_tcp, const Later& later) {
  const uint64_t number = ++last_;
  const std::string asked(message);
  const auto done = [this, owner, number, later, asked, query, is_tcp, scope](std::string answer) {
    shares_.remove(owner, number);
    const auto item = forwarded_.find(number);
    answer = answer.empty() ? refuse(asked, query, Code::kServerFailure, scope) : pass_on(std::move(answer), asked, query, is_tcp);
    // what is erased here is just being called
    loop_.later([kept = item->second, later, answer] { later(answer); });
    forwarded_.erase(item);
  };
  const auto forwarded = std::make_shared<Forwarded>(loop_, resolv_conf_.servers(), asked, query, is_tcp, done);
  forwarded_.emplace(number, forwarded);
  shares_.add(owner, number, [this, number] { forwarded_.at(number)->give_up(); });
  if (forwarded_.count(number) > 0) forwarded->begin();
}

}  // namespace nacelle::names
