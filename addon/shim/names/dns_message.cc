#include "dns_message.h"

#include <algorithm>

namespace nacelle::names {
namespace {

constexpr size_t kMaxLabel = 63, kMaxText = 253, kMaxWire = 255;
constexpr uint16_t kIsAnswer = 0x8000, kOpcode = 0x7800, kAuthoritative = 0x0400, kTruncated = 0x0200, kWantsRecursion = 0x0100,
                   kRecurses = 0x0080, kCodeMask = 0x000f;

uint8_t byte_at(std::string_view message, size_t at) { return static_cast<uint8_t>(message[at]); }
uint16_t u16_at(std::string_view message, size_t at) { return static_cast<uint16_t>(byte_at(message, at) << 8 | byte_at(message, at + 1)); }

void put_u16(std::string& out, size_t value) {
  out += static_cast<char>(value >> 8 & 0xff);
  out += static_cast<char>(value & 0xff);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Goes through a message from its front. What is read beyond the end is 0, and ok() false from then on.
class Cursor {
 public:
  explicit Cursor(std::string_view message, size_t at) : message_(message), at_(at) {}
  bool ok() const { return ok_; }
  size_t at() const { return at_; }

  uint8_t u8() {
    if (!has(1)) return 0;
    return byte_at(message_, at_++);
  }
  uint16_t u16() {
    if (!has(2)) return 0;
    at_ += 2;
    return u16_at(message_, at_ - 2);
  }
  void skip(size_t count) {
    if (has(count)) at_ += count;
  }

  // The name of a question. Compression has no place in it, since nothing but the header stands before.
  void question_name(std::string& out) {
    const size_t start = at_;
    for (;;) {
      const uint8_t size = u8();
      if (!ok_ || size == 0) break;
      if (size > kMaxLabel || !has(size)) return fail();
      if (!out.empty()) out += '.';
      for (const char c : message_.substr(at_, size)) out += c == '.' ? '\0' : lower(c);
      at_ += size;
    }
    if (at_ - start > kMaxWire) fail();
  }

  // The name of a record that is left out. A pointer ends a name, so that none is followed.
  void skip_name() {
    for (;;) {
      const uint8_t size = u8();
      if (!ok_ || size == 0) return;
      if ((size & 0xc0) == 0xc0) return skip(1);
      if (size > kMaxLabel) return fail();
      skip(size);
    }
  }

 private:
  bool has(size_t count) {
    ok_ = ok_ && message_.size() - at_ >= count;
    return ok_;
  }
  void fail() { ok_ = false; }

  std::string_view message_;
  size_t at_;
  bool ok_ = true;
};

// Reads the records behind the question, of which only that of EDNS0 matters.
Code read_records(std::string_view message, Query& query) {
  const size_t counts[] = {u16_at(message, 6), u16_at(message, 8), u16_at(message, 10)};
  const size_t additional = counts[0] + counts[1];
  Cursor cursor(message, query.question_end);
  uint8_t version = 0;
  for (size_t i = 0; i < additional + counts[2] && cursor.ok(); ++i) {
    const size_t start = cursor.at();
    cursor.skip_name();
    const bool is_root = cursor.at() == start + 1;
    const uint16_t type = cursor.u16(), size = cursor.u16();
    cursor.skip(1);  // the upper bits of the code
    const uint8_t told = cursor.u8();
    cursor.skip(2);
    cursor.skip(cursor.u16());
    if (type != kTypeOpt || !cursor.ok()) continue;
    if (i < additional || query.has_opt || !is_root) return Code::kFormatError;
    query.has_opt = true;
    query.udp_size = std::clamp(size, kPlainSize, kMaxDatagram);
    version = told;
  }
  if (!cursor.ok() || cursor.at() != message.size()) return Code::kFormatError;
  return version == 0 ? Code::kNoError : Code::kBadVersion;
}

}  // namespace

bool is_query(std::string_view message) { return message.size() >= kHeaderSize && (u16_at(message, 2) & kIsAnswer) == 0; }

Code read_query(std::string_view message, Query& out) {
  out.id = u16_at(message, 0);
  if ((u16_at(message, 2) & kOpcode) != 0) return Code::kNotImplemented;
  if (u16_at(message, 4) != 1) return Code::kFormatError;
  Cursor cursor(message, kHeaderSize);
  cursor.question_name(out.name);
  out.type = cursor.u16();
  out.question_class = cursor.u16();
  if (!cursor.ok()) return Code::kFormatError;
  out.question_end = cursor.at();
  const Code code = read_records(message, out);
  if (code != Code::kNoError) return code;
  const bool is_transfer = out.type == kTypeIxfr || out.type == kTypeAxfr;
  return out.question_class != kClassIn || is_transfer ? Code::kNotImplemented : Code::kNoError;
}

std::string write_answer(std::string_view message, const Query& query, Code code, const std::vector<Record>& records,
                         const Manner& manner) {
  constexpr size_t kRecordHead = 12, kOptSize = 11;
  const auto number = static_cast<uint16_t>(code);
  const size_t room = manner.most - std::min(manner.most, query.has_opt ? kOptSize : 0);
  std::string out;
  const auto asked = static_cast<uint16_t>(u16_at(message, 2) & (kOpcode | kWantsRecursion));
  put_u16(out, query.id);
  put_u16(out,
          kIsAnswer | asked | (manner.is_authoritative ? kAuthoritative : 0) | (manner.recurses ? kRecurses : 0) | (number & kCodeMask));
  put_u16(out, query.question_end != 0 ? 1 : 0);
  out.append(6, '\0');
  if (query.question_end != 0) out.append(message.substr(kHeaderSize, query.question_end - kHeaderSize));
  size_t count = 0;
  for (const Record& record : records) {
    if (out.size() + kRecordHead + record.data.size() > room) break;
    put_u16(out, 0xc000 | kHeaderSize);  // the name of the question
    put_u16(out, record.type);
    put_u16(out, kClassIn);
    out.append(4, '\0');
    put_u16(out, record.data.size());
    out += record.data;
    ++count;
  }
  if (count < records.size() || manner.is_cut) out[2] = static_cast<char>(byte_at(out, 2) | kTruncated >> 8);
  out[6] = static_cast<char>(count >> 8);
  out[7] = static_cast<char>(count & 0xff);
  if (!query.has_opt) return out;
  out[11] = 1;
  out += '\0';
  put_u16(out, kTypeOpt);
  put_u16(out, kOurSize);
  put_u16(out, static_cast<size_t>(number >> 4) << 8);
  out.append(4, '\0');
  return out;
}

std::string write_name(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const size_t size = std::min(name.find('.'), name.size());
    out += static_cast<char>(size);
    out.append(name.substr(0, size));
    name.remove_prefix(std::min(size + 1, name.size()));
  }
  out += '\0';
  return out;
}

bool is_name(std::string_view name) {
  size_t label = 0;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7f) return false;
    if (c == '.' ? label == 0 : label == kMaxLabel) return false;
    label = c == '.' ? 0 : label + 1;
  }
  return label > 0 && name.size() <= kMaxText;
}

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

std::string with_id(std::string_view message, uint16_t id) {
  std::string out(message);
  out[0] = static_cast<char>(id >> 8);
  out[1] = static_cast<char>(id & 0xff);
  return out;
}

bool is_answer(std::string_view answer, std::string_view message, const Query& query, uint16_t id) {
  if (answer.size() < kHeaderSize || u16_at(answer, 0) != id || (u16_at(answer, 2) & (kIsAnswer | kOpcode)) != kIsAnswer) return false;
  const Code code = code_of(answer);
  const bool failed = code == Code::kFormatError || code == Code::kNotImplemented || code == Code::kServerFailure || code == Code::kRefused;
  if (u16_at(answer, 4) == 0) return failed;
  if (u16_at(answer, 4) != 1 || answer.size() < query.question_end) return false;
  // the sizes of labels are no letters, so that a name may be compared with them; type and class are numbers
  constexpr size_t kNumbers = 4;
  const size_t names_end = query.question_end - kNumbers;
  const bool same_name =
      lowered(answer.substr(kHeaderSize, names_end - kHeaderSize)) == lowered(message.substr(kHeaderSize, names_end - kHeaderSize));
  return same_name && answer.substr(names_end, kNumbers) == message.substr(names_end, kNumbers);
}

Code code_of(std::string_view answer) { return static_cast<Code>(u16_at(answer, 2) & kCodeMask); }

std::string relayed(std::string answer, std::string_view message, const Query& query) {
  const bool has_question = u16_at(answer, 4) == 1;
  std::copy(message.begin(), message.begin() + 2, answer.begin());
  if (has_question) std::copy(message.begin() + kHeaderSize, message.begin() + query.question_end, answer.begin() + kHeaderSize);
  return answer;
}

}  // namespace nacelle::names
