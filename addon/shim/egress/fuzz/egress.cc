#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../../kernel/fuzz/require.h"
#include "../../names/address.h"
#include "../../names/dns_message.h"
#include "../client_hello.h"
#include "../fake_addresses.h"
#include "../name_answer.h"
#include "../peer_names.h"
#include "../policy.h"
#include "../resolved.h"
#include "../server_hello.h"
#include "../special_addresses.h"

// libFuzzer target for what comes from a container, and from servers that its names lead to: questions, the openings of connections, what
// is answered to these, other servers' answers; and the rules of its list. The first byte says which it is.
namespace {

using namespace nacelle;
using namespace nacelle::egress;

Policy policy() {
  std::vector<Rule> rules(3);
  require(parse_rule("allow a 0", rules[0]) && parse_rule("allow *.b 443", rules[1]) && parse_rule("deny x.b 0", rules[2]));
  return Policy(std::move(rules));
}

// Whatever is asked, an answer is one, and only an allowed name has addresses.
void take_question(std::string_view message) {
  const Policy list = policy();
  FakeAddresses addresses(2);
  for (const bool is_tcp : {false, true}) {
    const NameAnswer answer = answer_name(message, is_tcp, is_tcp, list, addresses);
    require(answer.message.empty() || (answer.message.size() >= names::kHeaderSize && !names::is_query(answer.message)));
    names::Query query;
    if (answer.message.empty() || names::read_query(message, query) != names::Code::kNoError) continue;
    const bool has_records = answer.message[6] != 0 || answer.message[7] != 0;
    require(!has_records || list.knows(query.name));
    require(answer.refused.empty() || answer.refused == query.name);
  }
  require(addresses.size() <= 2);
}

// What is asked of the server of names is the same question.
void take_peers_question(std::string_view message) {
  names::Query query, asked;
  if (!names::is_query(message) || names::read_query(message, query) != names::Code::kNoError) return;
  const std::string roomy = roomy_query(message, query);
  require(names::is_query(roomy) && names::read_query(roomy, asked) == names::Code::kNoError);
  require(asked.name == query.name && asked.type == query.type && asked.question_end == query.question_end);
  const bool is_address = query.type == names::kTypeA || query.type == names::kTypeAaaa;
  require(!is_address || asked.udp_size == names::kMaxDatagram);
}

// Once the opening is told, no byte that follows changes it.
void take_opening(std::string_view bytes) {
  std::string name, at_end;
  size_t whole = 0, part = 0;
  const Opening last = read_opening(bytes, at_end, whole);
  require((last == Opening::kNamed) == !at_end.empty() || last == Opening::kBroken);
  require(last != Opening::kNamed || (names::is_name(at_end) && whole <= bytes.size()));
  for (size_t size = 0; size < std::min<size_t>(bytes.size(), 600); ++size) {
    const Opening opening = read_opening(bytes.substr(0, size), name, part);
    if (opening == Opening::kMore) continue;
    require(opening == last && (opening == Opening::kBroken || name == at_end));
    // no more goes on than what was looked at
    require(opening != Opening::kNamed || (part == size && part == whole));
    return;
  }
}

// The same for what a server has answered.
void take_server(std::string_view bytes) {
  const Answer last = read_answer(bytes);
  for (size_t size = 0; size < std::min<size_t>(bytes.size(), 600); ++size) {
    const Answer answer = read_answer(bytes.substr(0, size));
    if (answer == Answer::kMore) continue;
    require(answer == last);
    return;
  }
}

void take_answer(std::string_view bytes) {
  for (const uint16_t type : {names::kTypeA, names::kTypeAaaa}) {
    names::Query query;
    const std::string question = address_query("a.b", type);
    require(names::read_query(question, query) == names::Code::kNoError && query.name == "a.b" && query.type == type);
    // the question is the asker's own, as is_answer() has seen to
    const std::string answer = std::string(bytes.substr(0, names::kHeaderSize)) + question.substr(names::kHeaderSize) +
                               std::string(bytes.substr(std::min(bytes.size(), names::kHeaderSize)));
    for (const std::string_view message : {bytes, std::string_view(answer)}) {
      for (const std::string& address : addresses_in(message, query)) {
        require(address.size() == (type == names::kTypeA ? names::kIpv4Size : names::kIpv6Size));
      }
    }
  }
}

// An address stays what it is, whatever list it meets: what a list allows is allowed by an entry that has it.
void take_rule(std::string_view bytes) {
  constexpr size_t kAddress = names::kIpv6Size;
  if (bytes.size() < kAddress) return;
  const std::string address(bytes.substr(0, bytes[0] % 2 == 0 ? kAddress : names::kIpv4Size));
  Rule rule;
  if (!parse_rule(bytes.substr(kAddress), rule)) return;
  require(rule.is_block || rule.is_wildcard || names::is_name(rule.name));
  const bool is_in = rule.is_block && rule.block.contains(ends_of(address).front());
  const Policy list({rule});
  require(!list.allows_address(address, 443) || (rule.allows && is_in));
  require(!list.knows(rule.name) || rule.allows);
  uint32_t number = 0;
  if (is_fake(address, number)) require(address == (address.size() == kAddress ? fake_ipv6(number) : fake_ipv4(number)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      take_question(rest);
      take_peers_question(rest);
      break;
    case 1:
      take_opening(rest);
      break;
    case 2:
      take_answer(rest);
      break;
    case 3:
      take_server(rest);
      break;
    default:
      take_rule(rest);
  }
  return 0;
}
