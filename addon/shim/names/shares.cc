#include "shares.h"

#include <algorithm>
#include <utility>

namespace nacelle::names {

void Shares::add(uint64_t owner, uint64_t number, std::function<void()> lose) {
  owners_[owner].emplace(number, std::move(lose));
  if (++count_ > most_) lose_one();
}

void Shares::remove(uint64_t owner, uint64_t number) {
  const auto found = owners_.find(owner);
  if (found == owners_.end()) return;
  count_ -= found->second.erase(number);
  if (found->second.empty()) owners_.erase(found);
}

void Shares::remove_all(uint64_t owner) {
  for (auto found = owners_.find(owner); found != owners_.end(); found = owners_.find(owner)) {
    const std::function<void()> lose = found->second.begin()->second;
    lose();
  }
}

void Shares::lose_one() {
  const auto most =
      std::max_element(owners_.begin(), owners_.end(), [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  const std::function<void()> lose = most->second.begin()->second;
  lose();
}

}  // namespace nacelle::names
