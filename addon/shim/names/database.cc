#include "database.h"

#include <algorithm>

namespace nacelle::names {
namespace {

// Neither a word nor a name has a space.
std::string key_of(const std::string& network, const std::string& what) { return network + ' ' + what; }

template <typename Index>
std::vector<std::string> collect(const Index& index, const std::vector<std::string>& networks, const std::string& what) {
  std::vector<std::string> found;
  for (const std::string& network : networks) {
    const auto item = index.find(key_of(network, what));
    if (item == index.end()) continue;
    for (const auto& [file, value] : item->second) {
      if (std::find(found.begin(), found.end(), value) == found.end()) found.push_back(value);
    }
  }
  return found;
}

}  // namespace

void Database::put(const std::string& file, Member member) {
  remove(file);
  for (const Place& place : member) {
    for (const std::string& address : place.addresses) {
      for (const std::string& name : place.names) by_name_[key_of(place.network, name)].emplace(file, address);
      by_address_[key_of(place.network, address)].emplace(file, place.names.front());
    }
  }
  members_[file] = std::move(member);
}

void Database::remove(const std::string& file) {
  const auto found = members_.find(file);
  if (found == members_.end()) return;
  for (const Place& place : found->second) {
    for (const std::string& name : place.names) forget(by_name_, key_of(place.network, name), file);
    for (const std::string& address : place.addresses) forget(by_address_, key_of(place.network, address), file);
  }
  members_.erase(found);
}

void Database::keep(const std::set<std::string>& files) {
  std::vector<std::string> others;
  for (const auto& [file, member] : members_) {
    if (files.count(file) == 0) others.push_back(file);
  }
  for (const std::string& file : others) remove(file);
}

void Database::forget(Index& index, const std::string& key, const std::string& file) {
  const auto item = index.find(key);
  if (item == index.end()) return;
  item->second.erase(file);
  if (item->second.empty()) index.erase(item);
}

std::vector<std::string> Database::find(const std::vector<std::string>& networks, const std::string& name) const {
  return collect(by_name_, networks, name);
}

std::vector<std::string> Database::names_of(const std::vector<std::string>& networks, const std::string& address) const {
  return collect(by_address_, networks, address);
}

}  // namespace nacelle::names
