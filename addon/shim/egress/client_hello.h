#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace nacelle::egress {

// What the first bytes of a client are.
enum class Opening {
  kMore,     // more have to come before that can be told
  kPlain,    // not TLS
  kNamed,    // TLS to a server by a name
  kUnnamed,  // TLS to a server without a name
  kBroken,   // TLS that can't be read
};

// Reads the ClientHello of TLS 1.0 to 1.3 (RFC 8446 section 4.1.2) at the front of what a client has sent, over as many records as it
// takes, up to the name of the server (RFC 6066). `name` is that as it came, in lower case and without a dot at the end; `size` how many
// bytes its records have, where it is kNamed or kUnnamed. Any bytes may come.
Opening read_opening(std::string_view bytes, std::string& name, size_t& size);

// So much may have come without an answer but kMore. No client's ClientHello is longer.
constexpr size_t kMaxOpening = 64 * 1024;

}  // namespace nacelle::egress
