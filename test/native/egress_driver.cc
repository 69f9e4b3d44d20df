#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "../../addon/shim/egress/client_hello.h"
#include "../../addon/shim/egress/fake_addresses.h"
#include "../../addon/shim/egress/name_answer.h"
#include "../../addon/shim/egress/policy.h"
#include "../../addon/shim/egress/resolved.h"
#include "../../addon/shim/egress/server_hello.h"
#include "../../addon/shim/names/address.h"
#include "hex.h"

// The egress code without effects, by itself. For tests.
//
//   egress_driver MOST RULE...      at most so many names have addresses; the rules are as Policy reads them
//
// Reads lines from stdin, and writes a line for each. Bytes are in hexadecimal digits.
//
//   knows NAME                      yes | no
//   name NAME PORT                  yes | no
//   address ADDRESS PORT            yes | no
//   leads ADDRESS PORT own|other    yes | no
//   dns udp|tcp 4|6 QUERY           the answer or 'nothing', and the refused name or '-'
//   meant ADDRESS                   the name that an address stands for, or '-'
//   start NUMBER                    the addresses of the first two names, where the circle begins so
//   opening BYTES                   more | plain | named NAME | unnamed | broken
//   size BYTES                      how many bytes the records of a ClientHello have
//   answer BYTES                    more | retry | other | broken
//   resolved NAME TYPE ANSWER       addresses in hexadecimal digits
namespace {

using namespace nacelle;
using namespace nacelle::egress;

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }
const char* word(bool is) { return is ? "yes" : "no"; }

std::string address_of(const std::string& text) {
  std::string address;
  if (names::parse_address(text, address)) return address;
  std::cerr << "no address: " << text << '\n';
  std::exit(2);
}

std::string opening_of(const std::string& bytes) {
  std::string name;
  size_t size = 0;
  switch (read_opening(bytes, name, size)) {
    case Opening::kMore:
      return "more";
    case Opening::kPlain:
      return "plain";
    case Opening::kNamed:
      return "named " + name;
    case Opening::kUnnamed:
      return "unnamed";
    case Opening::kBroken:
      return "broken";
  }
  return "";
}

std::string size_of(const std::string& bytes) {
  std::string name;
  size_t size = 0;
  read_opening(bytes, name, size);
  return std::to_string(size);
}

std::string answer_of(const std::string& bytes) {
  switch (read_answer(bytes)) {
    case Answer::kMore:
      return "more";
    case Answer::kRetry:
      return "retry";
    case Answer::kOther:
      return "other";
    case Answer::kBroken:
      return "broken";
  }
  return "";
}

std::string resolved(const std::string& name, uint16_t type, const std::string& answer) {
  const std::string query = address_query(name, type);
  names::Query read;
  if (names::read_query(query, read) != names::Code::kNoError) return "no query";
  std::string text;
  for (const std::string& address : addresses_in(answer, read)) text += (text.empty() ? "" : " ") + to_hex(address);
  return text;
}

std::string carry_out(std::istringstream& words, const Policy& policy, FakeAddresses& addresses) {
  std::string command, first, second, third;
  words >> command >> first >> second >> third;
  const auto port = static_cast<uint16_t>(std::atoi(second.c_str()));
  if (command == "knows") return word(policy.knows(first));
  if (command == "name") return word(policy.allows_name(first, port));
  if (command == "address") return word(policy.allows_address(address_of(first), port));
  if (command == "leads") return word(policy.may_lead_to(address_of(first), port, third == "own"));
  if (command == "start") {
    FakeAddresses others(2, static_cast<uint32_t>(std::strtoul(first.c_str(), nullptr, 10)));
    const std::string one = to_hex(fake_ipv4(others.number_of("a")));
    return one + ' ' + to_hex(fake_ipv4(others.number_of("b")));
  }
  if (command == "meant") return or_dash(addresses.name_of(address_of(first)));
  if (command == "opening") return opening_of(from_hex(first));
  if (command == "size") return size_of(from_hex(first));
  if (command == "answer") return answer_of(from_hex(first));
  if (command == "resolved") return resolved(first, port, from_hex(third));
  if (command != "dns") return "no command";
  const NameAnswer answer = answer_name(from_hex(third), first == "tcp", second == "6", policy, addresses);
  return (answer.message.empty() ? "nothing" : to_hex(answer.message)) + ' ' + or_dash(answer.refused);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 2;
  std::vector<Rule> rules;
  for (int i = 2; i < count; ++i) {
    Rule rule;
    if (!parse_rule(arguments[i], rule)) return std::cerr << "no rule: " << arguments[i] << '\n', 2;
    rules.push_back(std::move(rule));
  }
  const Policy policy(std::move(rules));
  FakeAddresses addresses(static_cast<size_t>(std::atoi(arguments[1])));
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::cout << carry_out(words, policy, addresses) << '\n';
  }
  return 0;
}
