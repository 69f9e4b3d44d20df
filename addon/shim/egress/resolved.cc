#include "resolved.h"

#include <cstdint>

#include "../names/address.h"

namespace nacelle::egress {
namespace {

constexpr uint16_t kTypeCname = 5;
constexpr size_t kMaxName = 255, kMaxLabel = 63, kMostAddresses = 16, kMostLinks = 16;

// A record's bytes, and where they begin in the message, to which names in them may point.
struct Part {
  std::string owner;
  uint16_t type = 0;
  size_t start = 0, size = 0;
};

uint8_t byte_at(std::string_view message, size_t at) { return static_cast<uint8_t>(message[at]); }
uint16_t u16_at(std::string_view message, size_t at) { return static_cast<uint16_t>(byte_at(message, at) << 8 | byte_at(message, at + 1)); }

// Reads a name, compressed or not; `at` is then behind it. Pointers lead only to what stands before, so that there is an end.
bool read_name(std::string_view message, size_t& at, std::string& name) {
  size_t here = at, before = at, size = 0;
  bool has_jumped = false;
  name.clear();
  for (;;) {
    if (here >= message.size()) return false;
    const uint8_t length = byte_at(message, here);
    if ((length & 0xc0) == 0xc0) {
      if (here + 1 >= message.size()) return false;
      const size_t target = u16_at(message, here) & 0x3fff;
      if (!has_jumped) at = here + 2;
      if (target >= before) return false;
      has_jumped = true;
      before = here = target;
      continue;
    }
    size += 1U + length;
    if (length > kMaxLabel || size > kMaxName || message.size() - here <= length) return false;
    if (length == 0) break;
    if (!name.empty()) name += '.';
    // a dot within a label must not look like two labels
    for (const char c : message.substr(here + 1, length)) name += c == '.' ? '\0' : c;
    here += 1U + length;
  }
  if (!has_jumped) at = here + 1;
  name = names::lowered(name);
  return true;
}

bool read_part(std::string_view message, size_t& at, Part& out) {
  constexpr size_t kHead = 10;
  if (!read_name(message, at, out.owner) || message.size() - at < kHead) return false;
  out.type = u16_at(message, at + 2) == names::kClassIn ? u16_at(message, at) : 0;
  out.size = u16_at(message, at + 8);
  out.start = at + kHead;
  if (message.size() - out.start < out.size) return false;
  at = out.start + out.size;
  return true;
}

// The end of the chain of CNAMEs that begins with a name.
std::string end_of(std::string_view message, const std::vector<Part>& parts, std::string name) {
  for (size_t links = 0; links < kMostLinks; ++links) {
    std::string next;
    for (const Part& part : parts) {
      size_t at = part.start;
      if (part.type == kTypeCname && part.owner == name && next.empty() && !read_name(message, at, next)) return {};
    }
    if (next.empty()) return name;
    name = std::move(next);
  }
  return {};
}

}  // namespace

std::vector<std::string> addresses_in(std::string_view answer, const names::Query& query) {
  if (answer.size() < names::kHeaderSize || names::code_of(answer) != names::Code::kNoError || u16_at(answer, 4) != 1) return {};
  if (answer.size() < query.question_end) return {};
  size_t at = query.question_end;
  std::vector<Part> parts;
  for (size_t left = u16_at(answer, 6); left > 0; --left) {
    Part part;
    if (!read_part(answer, at, part)) return {};
    parts.push_back(std::move(part));
  }
  const std::string name = end_of(answer, parts, query.name);
  const size_t size = query.type == names::kTypeA ? names::kIpv4Size : names::kIpv6Size;
  std::vector<std::string> addresses;
  for (const Part& part : parts) {
    if (part.type != query.type || part.owner != name || part.size != size || addresses.size() == kMostAddresses) continue;
    addresses.emplace_back(answer.substr(part.start, size));
  }
  return addresses;
}

std::string address_query(std::string_view name, uint16_t type) {
  std::string message(names::kHeaderSize, '\0');
  message[2] = 1;  // recursion is wanted
  message[5] = 1;  // one question
  message += names::write_name(name);
  for (const uint16_t value : {type, names::kClassIn}) {
    message += static_cast<char>(value >> 8);
    message += static_cast<char>(value & 0xff);
  }
  return message;
}

}  // namespace nacelle::egress
