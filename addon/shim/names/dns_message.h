#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Messages of DNS (RFC 1035 section 4, EDNS0 by RFC 6891), as far as a server needs them that answers from a table and passes on the rest.
// Nothing here has an effect, and any bytes may come.
namespace nacelle::names {

constexpr size_t kHeaderSize = 12, kMaxMessage = 65535;
// The largest answer over UDP for who doesn't say that more fits.
constexpr uint16_t kPlainSize = 512, kMaxDatagram = 65507;
// What fits in a query to us over UDP, as told by EDNS0.
constexpr uint16_t kOurSize = 4096;

constexpr uint16_t kTypeA = 1, kTypePtr = 12, kTypeAaaa = 28, kTypeOpt = 41, kTypeIxfr = 251, kTypeAxfr = 252, kTypeAny = 255;
constexpr uint16_t kClassIn = 1;

enum class Code : uint16_t {
  kNoError = 0,
  kFormatError = 1,
  kServerFailure = 2,
  kNameError = 3,  // NXDOMAIN
  kNotImplemented = 4,
  kRefused = 5,
  kBadVersion = 16,  // of EDNS
};

struct Query {
  uint16_t id = 0;
  // In lower case, its labels joined by dots, without one at the end; '' is the root. A dot within a label is a zero byte here.
  std::string name;
  uint16_t type = 0;
  uint16_t question_class = 0;
  size_t question_end = 0;  // where the question ends in the message; 0: the question could not be read
  bool has_opt = false;
  uint16_t udp_size = kPlainSize;
  // Set by whoever answers (answer.h): what is asked for is there.
  bool is_known = false;
};

// Whether the bytes are a query at all: what is not is never answered, so that two servers can't keep each other busy.
bool is_query(std::string_view message);

// Reads a query. kNoError when its question can be looked up; any other code is the answer.
Code read_query(std::string_view message, Query& out);

// What is answered: data of a type, for the name in the question, in class IN, to be kept by nobody (TTL 0).
struct Record {
  uint16_t type;
  std::string data;
};

// What a header tells beside the code.
struct Manner {
  bool is_authoritative = false;
  bool recurses = false;      // RA: unknown names are asked for elsewhere
  size_t most = kMaxMessage;  // records that don't fit in so many bytes are left out, and the answer says so (TC)
  bool is_cut = false;        // says so in any case
};

// An answer with the question as it came, byte by byte.
std::string write_answer(std::string_view message, const Query& query, Code code, const std::vector<Record>& records, const Manner& manner);

// A name as it travels, without compression. The text is one that is_name() takes.
std::string write_name(std::string_view name);

// Whether a text can be a name: labels of 1 to 63 bytes, 253 in all, none of them a space or a control character.
bool is_name(std::string_view name);

// Lower case by ASCII alone, which is what names of DNS are compared by.
std::string lowered(std::string_view text);

// The query with another id.
std::string with_id(std::string_view message, uint16_t id);

// Whether a message is the answer to this query, when that was sent with `id`: id and question are the same, but for upper and lower case.
// What tells of an error (FORMERR, NOTIMP, SERVFAIL, REFUSED) may come without the question.
bool is_answer(std::string_view answer, std::string_view message, const Query& query, uint16_t id);

// The code of an answer's header.
Code code_of(std::string_view answer);

// Another server's answer as it goes to the client: with the id and the question of the client's own message.
std::string relayed(std::string answer, std::string_view message, const Query& query);

}  // namespace nacelle::names
