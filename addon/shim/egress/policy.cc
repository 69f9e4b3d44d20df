#include "policy.h"

#include <algorithm>
#include <utility>

#include "../names/dns_message.h"
#include "special_addresses.h"

namespace nacelle::egress {
namespace {

// Takes what stands before the next space.
std::string_view take_word(std::string_view& text) {
  const size_t size = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, size);
  text.remove_prefix(std::min(size + 1, text.size()));
  return word;
}

bool parse_port(std::string_view text, uint16_t& out) {
  constexpr unsigned kMost = 65535;
  unsigned number = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9' || number > kMost) return false;
    number = number * 10 + static_cast<unsigned>(digit - '0');
  }
  out = static_cast<uint16_t>(number);
  return !text.empty() && number <= kMost && (text[0] != '0' || text.size() == 1);
}

bool parse_target(std::string_view text, Rule& out) {
  out.is_block = parse_block(std::string(text), out.block);
  if (out.is_block) return true;
  out.is_wildcard = text == "*" || (text.size() > 2 && text.substr(0, 2) == "*.");
  if (out.is_wildcard) text.remove_prefix(std::min<size_t>(2, text.size()));
  out.name = names::lowered(text);
  return text.empty() ? out.is_wildcard : names::is_name(text) && text.find_first_of("/*") == std::string_view::npos;
}

}  // namespace

bool Rule::matches(std::string_view other) const {
  if (is_block) return false;
  if (!is_wildcard) return other == name;
  if (name.empty()) return !other.empty();
  const size_t rest = other.size() - std::min(other.size(), name.size());
  return rest > 1 && other[rest - 1] == '.' && other.substr(rest) == name;
}

bool parse_rule(std::string_view text, Rule& out) {
  out = Rule();
  const std::string_view verdict = take_word(text), target = take_word(text), port = text;
  out.allows = verdict == "allow";
  return (out.allows || verdict == "deny") && parse_target(target, out) && parse_port(port, out.port);
}

bool Policy::knows(std::string_view name) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    // at a port that an entry has, or at all of them: 0 is one that only entries without a port have
    return rule.allows && rule.matches(name) && !denies_name(name, rule.port);
  });
}

bool Policy::allows_name(std::string_view name, uint16_t port) const {
  const auto allows = [&](const Rule& rule) { return rule.allows && rule.matches(name) && rule.has_port(port); };
  return port != 0 && !denies_name(name, port) && std::any_of(rules_.begin(), rules_.end(), allows);
}

bool Policy::allows_address(const std::string& address, uint16_t port) const {
  // where a tunnel or a translator would take it is another host than the one at the address inside
  const std::string end = ends_of(address).front();
  const auto allows = [&](const Rule& rule) { return rule.allows && rule.is_block && rule.has_port(port) && rule.block.contains(end); };
  return port != 0 && std::any_of(rules_.begin(), rules_.end(), allows);
}

bool Policy::may_lead_to(const std::string& address, uint16_t port, bool is_own) const {
  if (is_own) {
    const Block own{address, address.size() * 8};
    if (!names_within(address, port, own)) return false;
  }
  const std::vector<std::string> ends = ends_of(address);
  return std::all_of(ends.begin(), ends.end(), [&](const std::string& end) {
    const Block* kind = special_block(end);
    return !denies_address(end, port) && (kind == nullptr || names_within(end, port, *kind));
  });
}

bool Policy::denies_name(std::string_view name, uint16_t port) const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [&](const Rule& rule) { return !rule.allows && rule.matches(name) && rule.has_port(port); });
}

bool Policy::denies_address(const std::string& address, uint16_t port) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    return !rule.allows && rule.is_block && rule.has_port(port) && rule.block.contains(address);
  });
}

bool Policy::names_within(const std::string& address, uint16_t port, const Block& kind) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    return rule.allows && rule.is_block && rule.has_port(port) && kind.contains(rule.block) && rule.block.contains(address);
  });
}

std::shared_ptr<const Policy> policy_of(const std::vector<std::string>& texts) {
  std::vector<Rule> rules;
  for (const std::string& text : texts) {
    Rule rule;
    if (!parse_rule(text, rule)) return nullptr;
    rules.push_back(std::move(rule));
  }
  return std::make_shared<const Policy>(std::move(rules));
}

}  // namespace nacelle::egress
