#include "opening_check.h"

#include <sys/socket.h>

#include <cerrno>

#include "client_hello.h"
#include "server_hello.h"
#include "tls_record.h"

namespace nacelle::egress {
namespace {

// A side that sends byte by byte is looked at as often, and all is read anew.
constexpr size_t kMostLooks = 256;

// From how many bytes on the socket is readable.
bool wake_at(int fd, size_t size) {
  const int bytes = static_cast<int>(size);
  return setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0;
}

// What is in a socket, which stays there. 0, -EAGAIN, or another -errno.
int peek(int fd, std::string& bytes) {
  static char buffer[kMaxOpening];
  const ssize_t size = recv(fd, buffer, sizeof buffer, MSG_PEEK | MSG_DONTWAIT);
  if (size < 0) return errno == EINTR ? -EAGAIN : -errno;
  bytes.assign(buffer, static_cast<size_t>(size));
  return 0;
}

}  // namespace

Admission OpeningCheck::look(int client, bool has_ended) {
  std::string bytes;
  if (const int result = peek(client, bytes); result < 0) return result == -EAGAIN ? Admission::kWait : Admission::kRefuse;
  has_ended = has_ended || bytes.empty();
  // what is there stays there until the answer has come; the end may go on
  if (stage_ == Stage::kAnswer) return bytes.empty() ? admit(kAll, stage_) : Admission::kWait;
  return end_look(client, judge(bytes, has_ended), bytes.size());
}

Admission OpeningCheck::look_at_answer(int server, bool has_ended) {
  std::string bytes;
  if (const int result = peek(server, bytes); result < 0) return result == -EAGAIN ? Admission::kWait : Admission::kRefuse;
  return end_look(server, judge_answer(bytes, has_ended || bytes.empty()), bytes.size());
}

Admission OpeningCheck::end_look(int fd, Admission admission, size_t seen) {
  if (admission == Admission::kRefuse) return admission;
  const bool waits = admission == Admission::kWait;
  looks_ = waits ? looks_ + 1 : 0;
  if (looks_ > kMostLooks || (waits && seen == kMaxOpening)) return Admission::kRefuse;
  return wake_at(fd, waits ? seen + 1 : 1) ? admission : Admission::kRefuse;
}

Admission OpeningCheck::admit(size_t bytes, Stage next) {
  admitted_ = bytes;
  stage_ = next;
  return Admission::kAdmit;
}

Admission OpeningCheck::judge(const std::string& bytes, bool has_ended) {
  // nothing that is to come says another name
  if (bytes.empty() && has_ended) return admit(kAll, Stage::kOver);
  if (stage_ == Stage::kFirst) return judge_opening(bytes, has_ended);
  // an alert, a change of cipher, or early data, which the server leaves aside (RFC 8446 section 4.2.10); the ClientHello is still to come
  const Record record = record_at(bytes);
  if (record.type == 0 || record.type == kHandshake) return judge_opening(bytes, has_ended);
  if (record.kind == Record::Kind::kWhole) return admit(record.size(), Stage::kSecond);
  return record.kind == Record::Kind::kPart && !has_ended ? Admission::kWait : Admission::kRefuse;
}

Admission OpeningCheck::judge_opening(const std::string& bytes, bool has_ended) {
  std::string name;
  size_t size = 0;
  const bool is_first = stage_ == Stage::kFirst;
  switch (read_opening(bytes, name, size)) {
    case Opening::kMore:
      return has_ended ? Admission::kRefuse : Admission::kWait;
    case Opening::kPlain:
      return needs_tls_ || !is_first ? Admission::kRefuse : admit(kAll, Stage::kOver);
    case Opening::kNamed:
      if (name == name_) return is_first ? admit(size, Stage::kAnswer) : admit(kAll, Stage::kOver);
      other_name_ = name;
      return Admission::kRefuse;
    case Opening::kUnnamed:
    case Opening::kBroken:
      break;
  }
  return Admission::kRefuse;
}

Admission OpeningCheck::judge_answer(const std::string& bytes, bool has_ended) {
  switch (read_answer(bytes)) {
    case Answer::kMore:
      return has_ended ? admit(kAll, Stage::kOver) : Admission::kWait;
    case Answer::kRetry:
      return admit(0, Stage::kSecond);
    case Answer::kOther:
      return admit(kAll, Stage::kOver);
    case Answer::kBroken:
      break;
  }
  return Admission::kRefuse;
}

}  // namespace nacelle::egress
