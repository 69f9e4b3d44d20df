#include "server_hello.h"

#include <cstdint>
#include <string>

#include "tls_record.h"

namespace nacelle::egress {
namespace {

// SHA-256 of "HelloRetryRequest".
constexpr uint8_t kRetryRandom[] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
                                    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
constexpr size_t kRandomAt = kMessageHead + 2;  // behind the version
constexpr uint8_t kWarning = 1;

// Whether the server goes on behind it: before TLS 1.3 it may warn of a name that it doesn't know (RFC 6066 section 3).
bool is_warning(std::string_view alert) { return alert.size() == 2 && static_cast<uint8_t>(alert[0]) == kWarning; }

bool is_retry(const std::string& message) {
  const std::string_view random(reinterpret_cast<const char*>(kRetryRandom), sizeof kRetryRandom);
  return std::string_view(message).substr(kRandomAt, random.size()) == random;
}

}  // namespace

Answer read_answer(std::string_view bytes) {
  std::string message;
  for (;;) {
    const Record record = record_at(bytes);
    if (record.kind == Record::Kind::kOther) return message.empty() ? Answer::kOther : Answer::kBroken;
    if (record.kind == Record::Kind::kBroken) return Answer::kBroken;
    if (record.type != 0 && record.type != kHandshake && (record.type != kAlert || !message.empty())) return Answer::kBroken;
    if (record.type == kHandshake) {
      message.append(record.body);
      if (!message.empty() && static_cast<uint8_t>(message[0]) != kServerHello) return Answer::kBroken;
      if (message.size() >= kRandomAt + sizeof kRetryRandom) return is_retry(message) ? Answer::kRetry : Answer::kOther;
    }
    if (record.kind == Record::Kind::kPart) return Answer::kMore;
    if (record.type == kAlert && !is_warning(record.body)) return Answer::kOther;
    bytes.remove_prefix(record.size());
  }
}

}  // namespace nacelle::egress
