#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "member.h"

namespace nacelle::names {

// The names and addresses of all members, by network.
class Database {
 public:
  // Takes the place of what this file said before.
  void put(const std::string& file, Member member);
  void remove(const std::string& file);
  // Forgets all other files.
  void keep(const std::set<std::string>& files);

  // The addresses of all members that one of the networks knows by this name, in lower case. Empty: the name is unknown there.
  std::vector<std::string> find(const std::vector<std::string>& networks, const std::string& name) const;
  // The first name of each member that has this address in one of the networks.
  std::vector<std::string> names_of(const std::vector<std::string>& networks, const std::string& address) const;

 private:
  // Values of a key (network, and name or address), by the file that says so.
  using Index = std::unordered_map<std::string, std::multimap<std::string, std::string>>;
  static void forget(Index& index, const std::string& key, const std::string& file);

  std::unordered_map<std::string, Member> members_;
  Index by_name_, by_address_;
};

}  // namespace nacelle::names
