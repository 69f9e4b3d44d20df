#include "overlay_marks.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cerrno>

#include "../kernel/unique_fd.h"
#include "xattrs.h"

namespace nacelle::layer {
namespace {

// The part of a name after 'trusted.overlay.' or 'user.overlay.'; empty for other attributes.
std::string_view overlay_key(std::string_view name, MarkNames names) {
  const std::string_view prefix = names == MarkNames::kUser ? "user.overlay." : "trusted.overlay.";
  return name.substr(0, prefix.size()) == prefix ? name.substr(prefix.size()) : std::string_view();
}

}  // namespace

bool parse_mark_names(std::string_view word, MarkNames& names) {
  names = word == "user" ? MarkNames::kUser : MarkNames::kTrusted;
  return word == "user" || word == "trusted";
}

int read_overlay_marks(int fd, MarkNames of, OverlayMarks& marks) {
  marks = OverlayMarks{};
  std::vector<std::string> names;
  if (const int result = list_xattrs(fd, names); result < 0) return result;
  for (const std::string& name : names) {
    const std::string_view what = overlay_key(name, of);
    char value = '\0';
    if (what == "opaque" && fgetxattr(fd, name.c_str(), &value, 1) == 1 && value == 'y') marks.opaque = true;
    if (what == "whiteout") marks.whiteout = true;
    if (what == "metacopy" || what == "redirect") marks.partial = true;
  }
  return 0;
}

bool is_whiteout_device(const struct stat& status) { return S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0); }

int is_whiteout(int parent, const char* name, const struct stat& status, MarkNames names) {
  if (is_whiteout_device(status)) return 1;
  if (!S_ISREG(status.st_mode) || status.st_size != 0) return 0;
  const unique_fd file(openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return -errno;
  OverlayMarks marks;
  const int result = read_overlay_marks(file.get(), names, marks);
  return result < 0 ? result : static_cast<int>(marks.whiteout);
}

}  // namespace nacelle::layer
