#include "name_answer.h"

#include <vector>

#include "../names/address.h"
#include "../names/dns_message.h"

namespace nacelle::egress {
namespace {

using names::Code;
using names::Query;
using names::Record;

constexpr uint16_t kTypeA = names::kTypeA, kTypeAaaa = names::kTypeAaaa, kTypePtr = names::kTypePtr, kTypeAny = names::kTypeAny;

bool asks(const Query& query, uint16_t type) { return query.type == type || query.type == kTypeAny; }

// The name of an address that stands for one. False when the question is another.
bool look_up_reverse(const Query& query, FakeAddresses& addresses, std::vector<Record>& records) {
  std::string address;
  if (!names::parse_reverse_name(query.name, address)) return false;
  const std::string name = addresses.name_of(address);
  if (!name.empty() && asks(query, kTypePtr)) records.push_back({kTypePtr, names::write_name(name)});
  return !name.empty();
}

bool look_up(const Query& query, bool has_ipv6, const Policy& policy, FakeAddresses& addresses, std::vector<Record>& records) {
  // a dot within a label makes a name that no list can have
  if (!names::is_name(query.name) || !policy.knows(query.name)) return false;
  const uint32_t number = addresses.number_of(query.name);
  if (asks(query, kTypeA)) records.push_back({kTypeA, fake_ipv4(number)});
  if (has_ipv6 && asks(query, kTypeAaaa)) records.push_back({kTypeAaaa, fake_ipv6(number)});
  return true;
}

}  // namespace

NameAnswer answer_name(std::string_view message, bool is_tcp, bool has_ipv6, const Policy& policy, FakeAddresses& addresses) {
  if (!names::is_query(message)) return {};
  Query query;
  const Code code = names::read_query(message, query);
  const size_t most = is_tcp ? names::kMaxMessage : query.udp_size;
  if (code != Code::kNoError) return {names::write_answer(message, query, code, {}, {false, false, most}), {}};
  std::vector<Record> records;
  const bool exists = look_up_reverse(query, addresses, records) || look_up(query, has_ipv6, policy, addresses, records);
  // clients that find RA missing look for another server
  const names::Manner manner{exists, true, most};
  const bool tells = !exists && (asks(query, kTypeA) || query.type == kTypeAaaa);
  return {names::write_answer(message, query, exists ? Code::kNoError : Code::kNameError, records, manner),
          tells ? query.name : std::string()};
}

}  // namespace nacelle::egress
