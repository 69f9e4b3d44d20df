#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace nacelle::egress {

// The types of records of TLS 1.0 to 1.3 (RFC 8446 section 5.1); all are between the first and the last.
constexpr uint8_t kChangeOfCipher = 20, kAlert = 21, kHandshake = 22, kApplicationData = 23;

// The types of messages of the handshake (RFC 8446 section 4), and what stands before each: its type, and its size in three bytes.
constexpr uint8_t kClientHello = 1, kServerHello = 2;
constexpr size_t kMessageHead = 4;

// A number of so many bytes, the highest first. The bytes have to be there.
size_t number_at(std::string_view bytes, size_t at, size_t size);

// What stands at the front of bytes.
struct Record {
  enum class Kind {
    kPart,    // a record of which more has to come
    kWhole,   // a record
    kOther,   // no TLS
    kBroken,  // a record that no side may send
  };
  Kind kind = Kind::kPart;
  uint8_t type = 0;       // 0 until both its type and its version are there
  size_t body_size = 0;   // that it says; 0 until it has said
  std::string_view body;  // as much as is there
  size_t size() const;    // with its head
};

Record record_at(std::string_view bytes);

}  // namespace nacelle::egress
