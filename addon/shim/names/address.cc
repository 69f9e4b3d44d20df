#include "address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string_view>

namespace nacelle::names {
namespace {

// Takes the suffix from the name; false when the name has another one.
bool take_suffix(std::string_view& name, std::string_view suffix) {
  if (name.size() <= suffix.size() || name.substr(name.size() - suffix.size()) != suffix) return false;
  name.remove_suffix(suffix.size());
  return true;
}

// Whether a text is a number of one byte as inet_ntop writes it, without zeros in front.
bool is_byte(std::string_view text) {
  const bool has_digits = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return has_digits && !text.empty() && text.size() <= 3 && (text.size() == 1 || text[0] != '0');
}

bool reverse_ipv4(std::string_view name, std::string& out) {
  std::string text;
  for (int parts = 1;; ++parts) {
    const size_t dot = name.rfind('.');
    const std::string_view part = dot == std::string_view::npos ? name : name.substr(dot + 1);
    if (!is_byte(part) || parts > 4) return false;
    text.append(part);
    if (dot == std::string_view::npos) return parts == 4 && parse_address(text, out);
    text += '.';
    name.remove_suffix(part.size() + 1);
  }
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool reverse_ipv6(std::string_view name, std::string& out) {
  constexpr size_t kDigits = 2 * kIpv6Size;
  if (name.size() != 2 * kDigits - 1) return false;
  out.assign(kIpv6Size, '\0');
  for (size_t i = 0; i < kDigits; ++i) {
    const int digit = digit_of(name[2 * i]);
    if (digit < 0 || (i + 1 < kDigits && name[2 * i + 1] != '.')) return false;
    // the last digit of the address comes first
    char& byte = out[kIpv6Size - 1 - i / 2];
    byte = static_cast<char>(static_cast<unsigned char>(byte) | (i % 2 == 0 ? digit : digit << 4));
  }
  return true;
}

}  // namespace

bool parse_address(const std::string& text, std::string& out) {
  char bytes[kIpv6Size];
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) return out.assign(bytes, kIpv4Size), true;
  if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) return out.assign(bytes, kIpv6Size), true;
  return false;
}

bool parse_reverse_name(const std::string& name, std::string& out) {
  std::string_view left = name;
  if (take_suffix(left, ".in-addr.arpa")) return reverse_ipv4(left, out);
  return take_suffix(left, ".ip6.arpa") && reverse_ipv6(left, out);
}

}  // namespace nacelle::names
