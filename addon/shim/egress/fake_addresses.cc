#include "fake_addresses.h"

#include <algorithm>

#include "../names/address.h"

namespace nacelle::egress {
namespace {

// 198.18.0.0/15 has so many; the first two are the block's own and the listener's, the last two the caller's ports' (lib/network/relay) and
// broadcast.
constexpr uint32_t kCount = 1U << 17, kFirst = 2, kEnd = kCount - 2;
constexpr uint32_t kIpv4Block = 0xc6120000;  // 198.18.0.0
// 'nacelle' in ASCII, as a prefix of unique local addresses.
constexpr char kIpv6Block[] = "\xfd\x6e\x61\x63\x65\x6c\x6c\x65\0\0\0\0";
constexpr size_t kIpv6Front = sizeof kIpv6Block - 1;

std::string bytes_of(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16 & 0xff), static_cast<char>(value >> 8 & 0xff),
          static_cast<char>(value & 0xff)};
}

uint32_t value_of(std::string_view bytes) {
  uint32_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

FakeAddresses::FakeAddresses(size_t most, uint32_t start) : most_(most), last_(kFirst - 1 + start % (kEnd - kFirst)) {}

uint32_t FakeAddresses::number_of(std::string_view name) {
  const auto found = numbers_.find(std::string(name));
  if (found != numbers_.end()) {
    touch(entries_.at(found->second));
    return found->second;
  }
  if (numbers_.size() >= most_) {
    const auto oldest = entries_.find(by_age_.front());
    numbers_.erase(oldest->second.name);
    entries_.erase(oldest);
    by_age_.pop_front();
  }
  const uint32_t number = free_number();
  by_age_.push_back(number);
  numbers_.emplace(name, number);
  entries_.emplace(number, Entry{std::string(name), std::prev(by_age_.end())});
  return number;
}

std::string FakeAddresses::name_of(const std::string& address) {
  uint32_t number = 0;
  if (!is_fake(address, number)) return {};
  const auto found = entries_.find(number);
  if (found == entries_.end()) return {};
  touch(found->second);
  return found->second.name;
}

void FakeAddresses::touch(Entry& entry) { by_age_.splice(by_age_.end(), by_age_, entry.place); }

// There is one: names are fewer than numbers.
uint32_t FakeAddresses::free_number() {
  do {
    last_ = last_ + 1 >= kEnd ? kFirst : last_ + 1;
  } while (entries_.count(last_) > 0);
  return last_;
}

std::string fake_ipv4(uint32_t number) { return bytes_of(kIpv4Block + number); }

std::string fake_ipv6(uint32_t number) { return std::string(kIpv6Block, kIpv6Front) + bytes_of(number); }

bool is_fake(const std::string& address, uint32_t& number) {
  if (address.size() == names::kIpv4Size) {
    number = value_of(address) - kIpv4Block;
    return value_of(address) >= kIpv4Block && number < kCount;
  }
  if (address.size() != names::kIpv6Size || address.compare(0, kIpv6Front, kIpv6Block, kIpv6Front) != 0) return false;
  number = value_of(std::string_view(address).substr(kIpv6Front));
  return true;
}

}  // namespace nacelle::egress
