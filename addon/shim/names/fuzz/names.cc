#include <cstdint>
#include <string>
#include <string_view>

#include "../../kernel/fuzz/require.h"
#include "../address.h"
#include "../answer.h"
#include "../resolv_conf.h"

// libFuzzer target for what comes from containers and from other servers: queries, answers; and the texts of members and of resolv.conf.
// The first byte says which it is. Every query gets an answer that is no query, and is read again as what it should be.
namespace {

using namespace nacelle::names;
using nacelle::require;

constexpr std::string_view kMembers = "a 10.0.0.2,fd00::2 web w\nb 10.1.0.2 web\n";

// Answers and queries differ in one bit, so that the reader of queries reads the answers too, up to their records.
void check_answer(std::string_view message, const Query& query, std::string answer, size_t most) {
  require(answer.size() >= kHeaderSize && answer.size() <= most && !is_query(answer));
  require(answer.compare(0, 2, message.substr(0, 2)) == 0);
  if (query.question_end == 0) return;
  require(answer.compare(kHeaderSize, query.question_end - kHeaderSize, message.substr(kHeaderSize, query.question_end - kHeaderSize)) ==
          0);
  answer[2] = 0;
  Query again;
  const Code code = read_query(answer, again);
  require(again.name == query.name && again.type == query.type && again.has_opt == query.has_opt);
  require(code == Code::kNoError || code == Code::kNotImplemented);
}

void take_query(std::string_view message) {
  for (const bool is_tcp : {false, true}) {
    Database database;
    Member member;
    require(parse_member(kMembers, member));
    database.put("web", member);
    const Scope scope{{"a", "b"}, is_tcp};
    Query query;
    std::string out;
    const Outcome outcome = answer(message, is_tcp, scope, database, query, out);
    if (outcome == Outcome::kAnswer) check_answer(message, query, out, is_tcp ? kMaxMessage : query.udp_size);
    if (outcome == Outcome::kForward) check_answer(message, query, refuse(message, query, Code::kServerFailure, scope), kMaxMessage);
  }
}

// Another server's answer to a query that was sent on: both parts of one input.
void take_answer(std::string_view bytes) {
  if (bytes.empty()) return;
  const size_t size = static_cast<uint8_t>(bytes[0]);
  const std::string_view message = bytes.substr(1, size), reply = bytes.substr(1 + message.size());
  Query query;
  if (!is_query(message) || read_query(message, query) != Code::kNoError) return;
  if (!is_answer(reply, message, query, query.id)) return;
  for (const bool is_tcp : {false, true}) {
    const std::string passed = pass_on(std::string(reply), message, query, is_tcp);
    require(passed.size() <= (is_tcp ? kMaxMessage : query.udp_size) && !is_query(passed));
    require(passed.compare(0, 2, message.substr(0, 2)) == 0);
  }
}

void take_member(std::string_view text) {
  Member member;
  if (!parse_member(text, member)) return;
  for (const Place& place : member) {
    require(!place.network.empty() && !place.addresses.empty() && !place.names.empty());
    for (const std::string& address : place.addresses) require(address.size() == kIpv4Size || address.size() == kIpv6Size);
    for (const std::string& name : place.names) require(write_name(name).size() == name.size() + 2);
  }
  Database database;
  database.put("one", member);
  database.put("one", member);
  database.remove("one");
  for (const Place& place : member) require(database.find({place.network}, place.names.front()).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      take_query(rest);
      break;
    case 1:
      take_answer(rest);
      break;
    case 2:
      take_member(rest);
      break;
    default:
      require(!parse_resolv_conf(rest).empty() && parse_resolv_conf(rest).size() <= 3);
  }
  return 0;
}
