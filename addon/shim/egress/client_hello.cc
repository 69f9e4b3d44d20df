#include "client_hello.h"

#include <cstdint>

#include "../names/dns_message.h"

namespace nacelle::egress {
namespace {

// The types of records are from 20 to 23: change of cipher, alert, handshake, data.
constexpr uint8_t kFirstType = 20, kHandshake = 22, kLastType = 23, kMajorVersion = 3, kClientHello = 1;
constexpr uint16_t kServerName = 0;
constexpr uint8_t kHostName = 0;
constexpr size_t kRecordHead = 5, kMessageHead = 4, kMaxRecord = 1 << 14, kMaxHello = kMaxOpening - 4096;

size_t number_at(std::string_view bytes, size_t at, size_t size) {
  size_t value = 0;
  for (const char byte : bytes.substr(at, size)) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

// Takes vectors off the front of bytes, each behind its size. What is not there is empty, and ok() false from then on.
class Vectors {
 public:
  explicit Vectors(std::string_view bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  bool done() const { return rest_.empty(); }

  std::string_view take(size_t size) {
    ok_ = ok_ && rest_.size() >= size;
    if (!ok_) return {};
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  size_t number(size_t size) {
    const std::string_view taken = take(size);
    return number_at(taken, 0, size);
  }
  std::string_view vector(size_t size_of_size) { return take(number(size_of_size)); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// The handshake messages in the records at the front. kPlain and kBroken are final; otherwise kMore.
Opening join_records(std::string_view bytes, std::string& messages) {
  while (!bytes.empty()) {
    const auto type = static_cast<uint8_t>(bytes[0]);
    const bool is_other_version = bytes.size() > 1 && static_cast<uint8_t>(bytes[1]) != kMajorVersion;
    if (type < kFirstType || type > kLastType || is_other_version) return messages.empty() ? Opening::kPlain : Opening::kBroken;
    // a server might go past one of another type, to a ClientHello
    if (bytes.size() > 1 && type != kHandshake) return Opening::kBroken;
    if (bytes.size() < kRecordHead) break;
    const size_t size = number_at(bytes, 3, 2);
    if (size == 0 || size > kMaxRecord) return Opening::kBroken;
    messages.append(bytes.substr(kRecordHead, size));
    if (bytes.size() < kRecordHead + size) break;
    bytes.remove_prefix(kRecordHead + size);
  }
  return Opening::kMore;
}

// The one name of a list that has to have one. False when it has none, or two.
bool read_names(std::string_view extension, std::string& name) {
  Vectors outer(extension);
  Vectors list(outer.vector(2));
  if (!outer.ok() || !outer.done() || list.done()) return false;
  while (!list.done()) {
    const size_t type = list.number(1);
    const std::string_view value = list.vector(2);
    if (!list.ok() || type != kHostName || !name.empty() || value.empty()) return false;
    name = names::lowered(value);
  }
  return true;
}

Opening read_hello(std::string_view body, std::string& name) {
  constexpr size_t kVersion = 2, kRandom = 32;
  Vectors hello(body);
  hello.take(kVersion + kRandom);
  hello.vector(1);  // the session
  hello.vector(2);  // cipher suites
  hello.vector(1);  // compression
  if (hello.ok() && hello.done()) return Opening::kUnnamed;
  Vectors extensions(hello.vector(2));
  if (!hello.ok() || !hello.done()) return Opening::kBroken;
  bool is_named = false;
  while (!extensions.done()) {
    const size_t type = extensions.number(2);
    const std::string_view data = extensions.vector(2);
    if (!extensions.ok()) return Opening::kBroken;
    if (type != kServerName) continue;
    // of two, a server might take the other one
    if (is_named || !read_names(data, name)) return Opening::kBroken;
    is_named = true;
  }
  if (!is_named) return Opening::kUnnamed;
  if (name.back() == '.') name.pop_back();
  return names::is_name(name) ? Opening::kNamed : Opening::kBroken;
}

}  // namespace

Opening read_opening(std::string_view bytes, std::string& name) {
  std::string messages;
  name.clear();
  if (const Opening opening = join_records(bytes, messages); opening != Opening::kMore) {
    // what comes behind the ClientHello is not looked at, so that it may be of any kind
    if (opening == Opening::kPlain || messages.size() < kMessageHead) return opening;
    if (messages.size() < kMessageHead + number_at(messages, 1, 3)) return opening;
  }
  if (!messages.empty() && static_cast<uint8_t>(messages[0]) != kClientHello) return Opening::kBroken;
  if (messages.size() < kMessageHead) return Opening::kMore;
  const size_t size = number_at(messages, 1, 3);
  if (size > kMaxHello) return Opening::kBroken;
  if (messages.size() < kMessageHead + size) return Opening::kMore;
  return read_hello(std::string_view(messages).substr(kMessageHead, size), name);
}

}  // namespace nacelle::egress
