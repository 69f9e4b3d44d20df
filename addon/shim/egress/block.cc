#include "block.h"

#include <algorithm>

namespace nacelle::egress {
namespace {

constexpr size_t kByte = 8;

// A number without signs, spaces or zeros in front.
bool parse_prefix(const std::string& text, size_t most, size_t& out) {
  const bool has_digits = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (text.empty() || text.size() > 3 || !has_digits || (text.size() > 1 && text[0] == '0')) return false;
  out = 0;
  for (const char digit : text) out = out * 10 + static_cast<size_t>(digit - '0');
  return out <= most;
}

// The bits of the byte at `index` that lie within the prefix.
unsigned mask_at(size_t index, size_t prefix) {
  const size_t before = index * kByte;
  const size_t bits = prefix > before ? std::min(prefix - before, kByte) : 0;
  return 0xff00U >> bits & 0xffU;
}

}  // namespace

bool Block::contains(const std::string& address) const {
  if (address.size() != bytes.size()) return false;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const unsigned differs = static_cast<unsigned char>(address[i]) ^ static_cast<unsigned char>(bytes[i]);
    if ((differs & mask_at(i, prefix)) != 0) return false;
  }
  return true;
}

bool parse_block(const std::string& text, Block& out) {
  const size_t slash = text.find('/');
  if (!names::parse_address(text.substr(0, slash), out.bytes)) return false;
  const size_t longest = out.bytes.size() * kByte;
  out.prefix = longest;
  if (slash != std::string::npos && !parse_prefix(text.substr(slash + 1), longest, out.prefix)) return false;
  for (size_t i = 0; i < out.bytes.size(); ++i) {
    if ((static_cast<unsigned char>(out.bytes[i]) & ~mask_at(i, out.prefix)) != 0) return false;
  }
  return true;
}

}  // namespace nacelle::egress
