#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

// The texts that TypeScript writes for the front: lines, of which each ends with a newline. '%' and two digits, 0 to f, stand for a byte
// that is no text of a line.
namespace nacelle {

class Lines {
 public:
  explicit Lines(std::string_view text) : left_(text) {}
  bool done() const { return left_.empty(); }

  // False at the end, and for what is left when no newline ends it.
  bool next(std::string_view& line) {
    const size_t end = left_.find('\n');
    if (end == std::string_view::npos) return false;
    line = left_.substr(0, end);
    left_.remove_prefix(end + 1);
    return true;
  }
  // The line that next() would give; empty where there is none.
  std::string_view peek() const {
    const size_t end = left_.find('\n');
    return end == std::string_view::npos ? std::string_view() : left_.substr(0, end);
  }

 private:
  std::string_view left_;
};

// Takes what comes before the first space off the line.
inline std::string_view take_word(std::string_view& line) {
  const size_t end = line.find(' ');
  const std::string_view word = line.substr(0, end);
  line = end == std::string_view::npos ? std::string_view() : line.substr(end + 1);
  return word;
}

inline bool read_number(std::string_view digits, uint64_t& number) {
  if (digits.empty() || (digits.size() > 1 && digits[0] == '0')) return false;
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  number = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return false;
    const auto value = static_cast<uint64_t>(digit - '0');
    if (number > (kMost - value) / 10) return false;
    number = number * 10 + value;
  }
  return true;
}

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
