#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "../names/dns_message.h"

namespace nacelle::egress {

// The addresses in another server's answer to a query about A or AAAA: those of the name itself, or of the name that its CNAMEs lead to.
// Records of other names are not looked at. Empty when there is none, or when the answer can't be read. Any bytes may come.
std::vector<std::string> addresses_in(std::string_view answer, const names::Query& query);

// The query for addresses of a name.
std::string address_query(std::string_view name, uint16_t type);

}  // namespace nacelle::egress
