#pragma once

#include <string>
#include <string_view>

#include "../kernel/text_lines.h"

// The texts that TypeScript writes for the front: in a line, '%' and two digits, 0 to f, stand for a byte that is no text of a line.
namespace nacelle {

inline int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

// No NUL: what is read is handed to system calls.
inline bool read_value(std::string_view written, std::string& value) {
  value.clear();
  for (size_t at = 0; at < written.size(); ++at) {
    char byte = written[at];
    if (byte == '%') {
      const int high = at + 2 < written.size() ? hex_digit(written[at + 1]) : -1;
      const int low = at + 2 < written.size() ? hex_digit(written[at + 2]) : -1;
      if (high < 0 || low < 0) return false;
      byte = static_cast<char>(high * 16 + low);
      at += 2;
    }
    if (byte == '\0') return false;
    value.push_back(byte);
  }
  return true;
}

}  // namespace nacelle
