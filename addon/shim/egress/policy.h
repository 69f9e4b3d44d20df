#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "block.h"

namespace nacelle::egress {

// One entry of a container's list, as it travels: 'allow registry.example.org 443', 'deny *.example.com 0', 'allow 10.1.0.0/16 5432'.
struct Rule {
  bool allows = false;
  bool is_block = false;
  Block block;
  std::string name;          // in lower case
  bool is_wildcard = false;  // all names below `name`, at any depth; with '' every name
  uint16_t port = 0;         // 0: all

  bool has_port(uint16_t other) const { return port == 0 || port == other; }
  bool matches(std::string_view other) const;
};

// False when the text is no entry.
bool parse_rule(std::string_view text, Rule& out);

// Where a container may connect to over TCP. What no entry allows is refused, and what one denies is refused whatever allows it. Names are
// in lower case, without a dot at the end.
class Policy {
 public:
  explicit Policy(std::vector<Rule> rules = {}) : rules_(std::move(rules)) {}

  // Whether there is such a name for the container: some port of it is allowed.
  bool knows(std::string_view name) const;
  // Whether an entry denies it, at every port.
  bool denies(std::string_view name) const { return denies_name(name, 0); }
  // Whether it may connect to the name at this port.
  bool allows_name(std::string_view name, uint16_t port) const;
  // Whether an entry names this address, to which the container connects without a name; may_lead_to() is asked as well.
  bool allows_address(const std::string& address, uint16_t port) const;
  // Whether what is allowed may lead to this address: none that is denied, and none that is special, or the machine's own, but for those
  // that an entry names. A special address is named by an entry within its kind alone, so that 0.0.0.0/0 is every public address; the
  // machine's own by an entry for just that address.
  bool may_lead_to(const std::string& address, uint16_t port, bool is_own) const;

 private:
  bool denies_name(std::string_view name, uint16_t port) const;
  bool denies_address(const std::string& address, uint16_t port) const;
  bool names_within(const std::string& address, uint16_t port, const Block& kind) const;

  std::vector<Rule> rules_;
};

// The policy of a list; null when one of its texts is no rule.
std::shared_ptr<const Policy> policy_of(const std::vector<std::string>& rules);

}  // namespace nacelle::egress
