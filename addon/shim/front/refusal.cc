#include "refusal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <string>

#include "../kernel/file_io.h"
#include "../kernel/unique_fd.h"

namespace nacelle {
namespace {

// Whether JSON has the text as it is.
bool is_plain(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '"' || c == '\\') return false;
  }
  return true;
}

// RFC 3339, with milliseconds. Empty where the clock can't be read.
std::string now() {
  constexpr long kNsPerMs = 1'000'000;
  timespec time{};
  tm utc{};
  if (clock_gettime(CLOCK_REALTIME, &time) < 0 || gmtime_r(&time.tv_sec, &utc) == nullptr) return {};
  char date[32], text[64];
  if (std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc) == 0) return {};
  std::snprintf(text, sizeof text, "%s.%03ldZ", date, time.tv_nsec / kNsPerMs);
  return text;
}

std::string line_of(const FrontCall& call, std::string_view text, const std::string& time) {
  const std::string message = '"' + std::string(text) + '"';
  if (call.is_json) return "{\"level\":\"error\",\"msg\":" + message + ",\"time\":\"" + time + "\"}\n";
  return "time=\"" + time + "\" level=error msg=" + message + '\n';
}

}  // namespace

bool tell_refusal(const FrontCall& call, std::string_view text) {
  if (!is_plain(text)) return false;
  if (!call.log.empty()) {
    const std::string time = now();
    const unique_fd log(open(call.log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
    const std::string line = line_of(call, text, time);
    if (time.empty() || !log || write_all(log.get(), line.data(), line.size()) < 0) return false;
  }
  const std::string line = std::string(text) + '\n';
  static_cast<void>(write_all(STDERR_FILENO, line.data(), line.size()));
  return true;
}

}  // namespace nacelle
