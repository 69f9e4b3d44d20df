#pragma once

#include <string_view>

namespace nacelle::egress {

// What a server has answered to a ClientHello.
enum class Answer {
  kMore,    // more has to come before that can be told
  kRetry,   // a HelloRetryRequest: another ClientHello is to come
  kOther,   // a ServerHello, an alert that is the end, or no TLS
  kBroken,  // TLS that can't be read
};

// Reads the front of what a server has sent since it got a ClientHello, over as many records as that takes (RFC 8446 section 4.1.3). A
// HelloRetryRequest is a ServerHello with one certain random.
Answer read_answer(std::string_view bytes);

}  // namespace nacelle::egress
