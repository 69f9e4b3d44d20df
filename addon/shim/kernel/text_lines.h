#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

// Texts of lines, of which each ends with a newline, and the words in them, with a space between two.
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

}  // namespace nacelle
