#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
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

socklen_t socket_address(const std::string& address, uint16_t port, sockaddr_storage& out) {
  out = {};
  if (address.size() == kIpv4Size) {
    sockaddr_in ipv4{};
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port);
    std::memcpy(&ipv4.sin_addr, address.data(), kIpv4Size);
    std::memcpy(&out, &ipv4, sizeof ipv4);
    return sizeof ipv4;
  }
  sockaddr_in6 ipv6{};
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_port = htons(port);
  std::memcpy(&ipv6.sin6_addr, address.data(), std::min(address.size(), kIpv6Size));
  std::memcpy(&out, &ipv6, sizeof ipv6);
  return sizeof ipv6;
}

std::string address_of(const sockaddr_storage& from, uint16_t& port) {
  if (from.ss_family == AF_INET) {
    sockaddr_in ipv4;
    std::memcpy(&ipv4, &from, sizeof ipv4);
    port = ntohs(ipv4.sin_port);
    return {reinterpret_cast<const char*>(&ipv4.sin_addr), kIpv4Size};
  }
  if (from.ss_family != AF_INET6) return {};
  sockaddr_in6 ipv6;
  std::memcpy(&ipv6, &from, sizeof ipv6);
  port = ntohs(ipv6.sin6_port);
  return {reinterpret_cast<const char*>(&ipv6.sin6_addr), kIpv6Size};
}

}  // namespace nacelle::names
