#include "tls_record.h"

namespace nacelle::egress {
namespace {

constexpr size_t kHead = 5, kMostPlain = 1 << 14;
constexpr size_t kMost = kMostPlain + 2048;  // with what a cipher may add (RFC 5246 section 6.2.3)
constexpr uint8_t kMajorVersion = 3;

}  // namespace

size_t number_at(std::string_view bytes, size_t at, size_t size) {
  size_t value = 0;
  for (const char byte : bytes.substr(at, size)) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

size_t Record::size() const { return kHead + body_size; }

Record record_at(std::string_view bytes) {
  Record record;
  if (bytes.empty()) return record;
  const auto type = static_cast<uint8_t>(bytes[0]);
  const bool is_other_version = bytes.size() > 1 && static_cast<uint8_t>(bytes[1]) != kMajorVersion;
  if (type < kChangeOfCipher || type > kApplicationData || is_other_version) {
    record.kind = Record::Kind::kOther;
    return record;
  }
  if (bytes.size() > 1) record.type = type;
  if (bytes.size() < kHead) return record;
  record.body_size = number_at(bytes, 3, 2);
  if (record.body_size == 0 || record.body_size > (type == kHandshake ? kMostPlain : kMost)) {
    record.kind = Record::Kind::kBroken;
    return record;
  }
  record.body = bytes.substr(kHead, record.body_size);
  if (record.body.size() == record.body_size) record.kind = Record::Kind::kWhole;
  return record;
}

}  // namespace nacelle::egress
