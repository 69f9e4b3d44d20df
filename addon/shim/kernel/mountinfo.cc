#include "mountinfo.h"

#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "text_lines.h"
#include "whole_text.h"

namespace nacelle {
namespace {

// More than the 100,000 mounts need that a namespace may have (mount-max).
constexpr size_t kMostText = 64 * 1024 * 1024;

bool is_octal(char digit) { return digit >= '0' && digit <= '7'; }

// A path as it is: a space is written "\040".
std::string plain_path(std::string_view written) {
  std::string path;
  for (size_t at = 0; at < written.size(); ++at) {
    const bool is_escape = written[at] == '\\' && at + 3 < written.size() && is_octal(written[at + 1]) && is_octal(written[at + 2]) &&
                           is_octal(written[at + 3]);
    if (!is_escape) {
      path += written[at];
      continue;
    }
    path += static_cast<char>((written[at + 1] - '0') * 64 + (written[at + 2] - '0') * 8 + (written[at + 3] - '0'));
    at += 3;
  }
  return path;
}

// "ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [FIELDS…] - TYPE …".
bool read_mount(std::string_view line, MountInfo& mount) {
  if (!read_number(take_word(line), mount.id) || !read_number(take_word(line), mount.parent)) return false;
  take_word(line);
  mount.root = plain_path(take_word(line));
  mount.path = plain_path(take_word(line));
  take_word(line);
  while (take_word(line) != "-") {
    if (line.empty()) return false;
  }
  mount.type = take_word(line);
  return !mount.type.empty();
}

}  // namespace

int read_mountinfo(int mountinfo, std::vector<MountInfo>& mounts) {
  mounts.clear();
  if (lseek(mountinfo, 0, SEEK_SET) < 0) return -errno;
  std::string text;
  const int result = read_rest(mountinfo, kMostText, text);
  if (result < 0) return result;
  Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    MountInfo mount;
    if (!read_mount(line, mount)) return -EPROTO;
    mounts.push_back(std::move(mount));
  }
  return lines.done() ? 0 : -EPROTO;
}

}  // namespace nacelle
