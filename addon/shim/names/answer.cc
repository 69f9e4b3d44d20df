#include "answer.h"

#include <algorithm>
#include <random>
#include <utility>

#include "address.h"

namespace nacelle::names {
namespace {

// Any of several comes first: most programs take that one. A turn would not do, since they ask for both families, and for other names in
// between, in an order of their own.
void rotate(std::vector<Record>& records) {
  static std::minstd_rand random;
  if (records.size() > 1) std::rotate(records.begin(), records.begin() + static_cast<long>(random() % records.size()), records.end());
}

// Of a type that a member never has, none.
std::vector<Record> records_of(const std::vector<std::string>& addresses, uint16_t type) {
  std::vector<Record> records;
  for (const std::string& address : addresses) {
    const uint16_t own = address.size() == kIpv4Size ? kTypeA : kTypeAaaa;
    if (type == own || type == kTypeAny) records.push_back({own, address});
  }
  rotate(records);
  return records;
}

// False when nobody on these networks has the name of the question.
bool look_up(const Query& query, const Scope& scope, const Database& database, std::vector<Record>& records) {
  if (std::string address; parse_reverse_name(query.name, address)) {
    const std::vector<std::string> names = database.names_of(scope.networks, address);
    for (const std::string& name : names) {
      if (query.type == kTypePtr || query.type == kTypeAny) records.push_back({kTypePtr, write_name(name)});
    }
    return !names.empty();
  }
  const std::vector<std::string> addresses = database.find(scope.networks, query.name);
  records = records_of(addresses, query.type);
  return !addresses.empty();
}

size_t room_of(const Query& query, bool is_tcp) { return is_tcp ? kMaxMessage : query.udp_size; }

}  // namespace

Outcome answer(std::string_view message, bool is_tcp, const Scope& scope, const Database& database, Query& query, std::string& out) {
  if (!is_query(message)) return Outcome::kNothing;
  const Code code = read_query(message, query);
  if (code != Code::kNoError) {
    out = refuse(message, query, code, scope);
    return Outcome::kAnswer;
  }
  std::vector<Record> records;
  query.is_known = look_up(query, scope, database, records);
  if (!query.is_known && scope.forwards) return Outcome::kForward;
  const Manner manner{query.is_known, scope.forwards, room_of(query, is_tcp)};
  out = write_answer(message, query, query.is_known ? Code::kNoError : Code::kNameError, records, manner);
  return Outcome::kAnswer;
}

std::string refuse(std::string_view message, const Query& query, Code code, const Scope& scope) {
  return write_answer(message, query, code, {}, {false, scope.forwards, kMaxMessage});
}

std::string pass_on(std::string answer, std::string_view message, const Query& query, bool is_tcp) {
  answer = relayed(std::move(answer), message, query);
  if (answer.size() <= room_of(query, is_tcp)) return answer;
  return write_answer(message, query, Code::kNoError, {}, {false, true, kMaxMessage, true});
}

}  // namespace nacelle::names
