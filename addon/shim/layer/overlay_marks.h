#pragma once

#include <sys/stat.h>

#include <string_view>

namespace nacelle::layer {

// The attribute of a folder that hides what is below it.
constexpr char kOpaque[] = "trusted.overlay.opaque", kUserOpaque[] = "user.overlay.opaque";

// Whose attributes an overlay reads: trusted.overlay.* of root's, user.overlay.* of an ordinary user's (userxattr). The others are no
// marks: in root's overlay a program may set any user.overlay.* itself.
enum class MarkNames { kTrusted, kUser };

// Reads 'trusted' or 'user'; false for any other word.
bool parse_mark_names(std::string_view word, MarkNames& names);

// The marks that overlayfs sets as attributes.
struct OverlayMarks {
  bool opaque = false;    // the folder hides what is below it
  bool whiteout = false;  // the empty file stands for a deleted one (Linux 6.7)
  bool partial = false;   // metacopy or redirect: the rest of it is in a lower layer
};
int read_overlay_marks(int fd, MarkNames names, OverlayMarks& marks);

bool is_whiteout_device(const struct stat& status);

// 1 for a whiteout of either kind (the device 0:0, or an empty file with the attribute), else 0, or -errno.
int is_whiteout(int parent, const char* name, const struct stat& status, MarkNames names);

}  // namespace nacelle::layer
