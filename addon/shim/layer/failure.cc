#include "failure.h"

#include <cstdarg>
#include <cstdio>

namespace nacelle {
namespace {

constexpr size_t kShownHead = 120, kShownTail = 60;

void append_shown(std::string& text, std::string_view bytes) {
  for (const char byte : bytes) {
    if (byte == '\\') {
      text += "\\\\";
    } else if (byte >= 0x20 && byte < 0x7f) {
      text += byte;
    } else {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(byte));
      text += escaped;
    }
  }
}

}  // namespace

int fail(Failure& why, int error, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(why.text, sizeof why.text, format, arguments);
  va_end(arguments);
  return -error;
}

std::string shown(std::string_view bytes) {
  std::string text;
  if (bytes.size() <= kShownHead + kShownTail) {
    append_shown(text, bytes);
  } else {
    append_shown(text, bytes.substr(0, kShownHead));
    text += "...";
    append_shown(text, bytes.substr(bytes.size() - kShownTail));
  }
  return text;
}

}  // namespace nacelle
