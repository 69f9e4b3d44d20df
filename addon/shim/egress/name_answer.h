#pragma once

#include <string>
#include <string_view>

#include "fake_addresses.h"
#include "policy.h"

namespace nacelle::egress {

struct NameAnswer {
  std::string message;  // '' when there is nothing to answer
  std::string refused;  // the name of a question about addresses that the list does not allow
};

// What a container hears about names: those that its list allows have the addresses that stand for them, and records of no other type, so
// that no HTTPS record offers another port, QUIC or an encrypted name. All others don't exist, and nobody is asked about any.
NameAnswer answer_name(std::string_view message, bool is_tcp, bool has_ipv6, const Policy& policy, FakeAddresses& addresses);

}  // namespace nacelle::egress
