#include "opening_check.h"

#include <sys/socket.h>

#include <cerrno>

#include "client_hello.h"

namespace nacelle::egress {
namespace {

// A client that sends byte by byte is looked at as often, and all is read anew.
constexpr size_t kMostLooks = 256;

// From how many bytes on the socket is readable.
bool wake_at(int client, size_t size) {
  const int bytes = static_cast<int>(size);
  return setsockopt(client, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0;
}

}  // namespace

Admission OpeningCheck::look(int client, bool has_ended) {
  static char buffer[kMaxOpening];
  const ssize_t size = recv(client, buffer, sizeof buffer, MSG_PEEK | MSG_DONTWAIT);
  if (size < 0) return errno == EAGAIN || errno == EINTR ? Admission::kWait : Admission::kRefuse;
  const std::string bytes(buffer, static_cast<size_t>(size));
  const Admission admission = judge(bytes, has_ended || size == 0);
  if (admission == Admission::kRefuse) return admission;
  if (admission == Admission::kWait && (++looks_ > kMostLooks || bytes.size() == kMaxOpening)) return Admission::kRefuse;
  return wake_at(client, admission == Admission::kWait ? bytes.size() + 1 : 1) ? admission : Admission::kRefuse;
}

Admission OpeningCheck::judge(const std::string& bytes, bool has_ended) {
  std::string name;
  switch (read_opening(bytes, name)) {
    case Opening::kMore:
      if (!has_ended) return Admission::kWait;
      return bytes.empty() ? Admission::kAdmit : Admission::kRefuse;
    case Opening::kPlain:
      return needs_tls_ ? Admission::kRefuse : Admission::kAdmit;
    case Opening::kNamed:
      if (name == name_) return Admission::kAdmit;
      other_name_ = name;
      return Admission::kRefuse;
    case Opening::kUnnamed:
    case Opening::kBroken:
      break;
  }
  return Admission::kRefuse;
}

}  // namespace nacelle::egress
