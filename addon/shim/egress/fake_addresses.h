#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace nacelle::egress {

// The addresses that stand for names in one container: a number for each name, which an address of 198.18.0.0/15 and one of
// fd6e:6163:656c:6c65::/64 have at their end. So a name need not be resolved when it is asked for, and a connection tells the name.
//
// Names are bounded, since a wildcard has as many as the container cares to ask for: the name that was not asked for longest goes. Numbers
// are given out in a circle, so that an address that a program kept means no other name for as long as can be; where the circle begins is
// for who makes it to say, so that those that another process gave out are others.
class FakeAddresses {
 public:
  explicit FakeAddresses(size_t most = kMost, uint32_t start = 0);

  // The number of a name, its old one if it has one.
  uint32_t number_of(std::string_view name);
  // The name that an address stands for; '' when it stands for none.
  std::string name_of(const std::string& address);
  size_t size() const { return numbers_.size(); }

  static constexpr size_t kMost = 4096;

 private:
  struct Entry {
    std::string name;
    std::list<uint32_t>::iterator place;
  };
  void touch(Entry& entry);
  uint32_t free_number();

  size_t most_;
  uint32_t last_;
  std::unordered_map<std::string, uint32_t> numbers_;
  std::unordered_map<uint32_t, Entry> entries_;
  std::list<uint32_t> by_age_;  // the oldest first
};

// 4 and 16 bytes.
std::string fake_ipv4(uint32_t number);
std::string fake_ipv6(uint32_t number);
// Whether an address is of the blocks that stand for names; `number` is then its own.
bool is_fake(const std::string& address, uint32_t& number);

}  // namespace nacelle::egress
