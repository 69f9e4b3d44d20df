#include "pax.h"

#include <algorithm>
#include <cerrno>

namespace nacelle::layer {
namespace {

constexpr std::string_view kXattr = "SCHILY.xattr.", kSparse = "GNU.sparse.";

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

bool holds_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

bool parse_path(std::string_view value, std::optional<std::string>& out) {
  if (holds_nul(value)) return false;
  if (value.empty()) {
    out.reset();
  } else {
    out = std::string(value);
  }
  return true;
}

template <typename Number>
bool parse_number(std::string_view value, uint64_t most, std::optional<Number>& out) {
  uint64_t number = 0;
  if (value.empty()) {
    out.reset();
    return true;
  }
  if (!parse_decimal(value, most, number)) return false;
  out = static_cast<Number>(number);
  return true;
}

// Reads '-1.25' as a quarter before -1: seconds are rounded down, as struct timespec counts.
bool parse_time(std::string_view value, std::optional<struct timespec>& out) {
  if (value.empty()) {
    out.reset();
    return true;
  }
  const bool negative = value[0] == '-';
  if (negative) value.remove_prefix(1);
  const size_t dot = std::min(value.find('.'), value.size());
  uint64_t seconds;
  if (!parse_decimal(value.substr(0, dot), INT64_MAX - 1, seconds)) return false;
  long nanoseconds = 0;
  bool rest = false;
  long unit = 100'000'000;
  for (size_t i = dot + 1; i < value.size(); ++i, unit /= 10) {
    if (value[i] < '0' || value[i] > '9') return false;
    nanoseconds += unit * (value[i] - '0');
    rest = rest || (unit == 0 && value[i] != '0');
  }
  struct timespec time {};
  time.tv_sec = static_cast<time_t>(seconds);
  time.tv_nsec = nanoseconds;
  if (negative) {
    const long below = nanoseconds + (rest ? 1 : 0);
    time.tv_sec = -time.tv_sec - (below > 0 ? 1 : 0);
    time.tv_nsec = below > 0 ? 1'000'000'000 - below : 0;
  }
  out = time;
  return true;
}

// GNU tar writes '=' as %3D and '%' as %25 in the names of attributes, since '=' ends a key.
std::string decoded_name(std::string_view key) {
  std::string name;
  while (!key.empty()) {
    const std::string_view three = key.substr(0, 3);
    const bool escaped = three == "%3D" || three == "%25";
    name += escaped ? (three == "%3D" ? '=' : '%') : key[0];
    key.remove_prefix(escaped ? 3 : 1);
  }
  return name;
}

bool parse_xattr(std::string_view key, std::string_view value, std::vector<Xattr>& xattrs) {
  Xattr xattr{decoded_name(key), std::string(value)};
  if (xattr.name.empty() || xattr.name.size() > 255 || xattr.value.size() > 65536) return false;
  for (Xattr& known : xattrs) {
    if (known.name == xattr.name) {
      known = std::move(xattr);
      return true;
    }
  }
  xattrs.push_back(std::move(xattr));
  return true;
}

bool parse_record(std::string_view key, std::string_view value, bool global, Pax& pax) {
  if (key == "uid") return parse_number(value, UINT32_MAX - 1, pax.uid);
  if (key == "gid") return parse_number(value, UINT32_MAX - 1, pax.gid);
  if (key == "mtime") return parse_time(value, pax.mtime);
  const bool ours = key == "path" || key == "linkpath" || key == "size" || starts_with(key, kXattr) || starts_with(key, kSparse);
  if (global || !ours) return !ours;
  if (key == "path") return parse_path(value, pax.path);
  if (key == "linkpath") return parse_path(value, pax.link);
  if (key == "size") return parse_number(value, INT64_MAX, pax.size);
  if (starts_with(key, kXattr)) return parse_xattr(key.substr(kXattr.size()), value, pax.xattrs);
  return parse_sparse_record(key.substr(kSparse.size()), value, pax.sparse);
}

}  // namespace

int parse_pax(std::string_view records, bool global, Pax& pax, Failure& why) {
  while (!records.empty()) {
    const size_t space = records.find(' ');
    uint64_t length;
    if (space > 10 || records[0] == '0' || !parse_decimal(records.substr(0, space), records.size(), length)) {
      return fail(why, EBADMSG, "a PAX record has no length, or one past its header's end");
    }
    if (length < space + 3 || records[length - 1] != '\n') return fail(why, EBADMSG, "a PAX record doesn't end where it says");
    const std::string_view record = records.substr(space + 1, length - space - 2);
    const size_t equals = record.find('=');
    const std::string_view key = record.substr(0, equals);
    if (equals == std::string_view::npos || key.empty() || holds_nul(key) || key.find('\n') != std::string_view::npos) {
      return fail(why, EBADMSG, "a PAX record has no key, or a malformed one");
    }
    if (!parse_record(key, record.substr(equals + 1), global, pax)) {
      return fail(why, EBADMSG, "the PAX record %s is malformed%s", shown(key).c_str(), global ? " or can't be for all entries" : "");
    }
    records.remove_prefix(length);
  }
  return 0;
}

}  // namespace nacelle::layer
