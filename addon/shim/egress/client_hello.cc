#include "client_hello.h"

#include <cstdint>

#include "../names/dns_message.h"
#include "tls_record.h"

namespace nacelle::egress {
namespace {

constexpr uint16_t kServerName = 0;
constexpr uint8_t kHostName = 0;
constexpr size_t kMaxHello = kMaxOpening - 4096;

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

Opening read_opening(std::string_view bytes, std::string& name, size_t& size) {
  std::string message;
  name.clear();
  for (size = 0;;) {
    const Record record = record_at(bytes.substr(size));
    if (record.kind == Record::Kind::kOther) return message.empty() ? Opening::kPlain : Opening::kBroken;
    // a server might go past a record of another type, to a ClientHello
    if (record.kind == Record::Kind::kBroken || (record.type != 0 && record.type != kHandshake)) return Opening::kBroken;
    const size_t said = message.size() + record.body_size;
    message.append(record.body);
    size += record.size();
    if (!message.empty() && static_cast<uint8_t>(message[0]) != kClientHello) return Opening::kBroken;
    if (message.size() >= kMessageHead) {
      const size_t whole = kMessageHead + number_at(message, 1, 3);
      // of what is behind it in its last record, a server might take another ClientHello
      if (whole > kMessageHead + kMaxHello || said > whole) return Opening::kBroken;
      if (message.size() == whole) return read_hello(std::string_view(message).substr(kMessageHead), name);
    }
    if (record.kind == Record::Kind::kPart) return Opening::kMore;
  }
}

}  // namespace nacelle::egress
