#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "failure.h"
#include "leave_out.h"
#include "overlay_marks.h"

// Packs the upper folder of an overlay as an OCI layer: a tar whose bytes depend on nothing but what is in the folder.
//
// Names are sorted by their bytes, a folder before its content and without the top folder itself. Deleted things become
// '.wh.NAME', and folders that hide what is below them begin with '.wh..wh..opq'; both have mode, owner and time 0. The
// first name of a file with several is the file, the others are links to it. Holes are kept as GNU.sparse 1.0. Left out:
// sockets, trusted.overlay.*, user.overlay.*, security.selinux, the names of users and groups.
// Refused: names that begin with '.wh.' (they'd delete something), files of which only a part is in the upper (metacopy, redirect_dir), and
// what lies so deep that no path leads there (path.h).
namespace nacelle {

struct PackOptions {
  bool plain = false;    // form=layer|tree|contents: the last two are packed as they are; no name or mark means a deletion
  bool has_top = false;  // form=tree: the top folder comes first
  std::string only;      // only=NAME: packs this one file or folder in the folder, which itself need not be readable
  bool clamp = false;
  int64_t mtime = 0;                                    // mtime=SECONDS: later times are written as this one
  layer::MarkNames marks = layer::MarkNames::kTrusted;  // marks=trusted|user
  layer::LeaveOut leave_out;                            // exclude=PATH, empty=PATH and stub=PATH, which may each be given many times
};

int parse_pack_options(const char* const* options, size_t count, PackOptions& result);

// `lower_fds`: what lies below, the topmost first. 0 or -errno with the reason in `why`; -EPIPE when the reader has gone. A file
// that changes meanwhile may be packed with the old or the new content.
int pack_layer(int upper_fd, const int* lower_fds, size_t count, int output_fd, PackOptions options, Failure& why);

}  // namespace nacelle
