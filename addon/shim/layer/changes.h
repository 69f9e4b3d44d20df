#pragma once

#include <cstddef>

#include "failure.h"
#include "leave_out.h"

// What an overlay's upper folder changes, compared with the lower folders as overlayfs merges them.
//
// Written to the output, sorted by path with a folder before its content, one record each:
//
//   byte  0      1      2     3     4 ... 7           8 ...
//         +------+------+-----+-----+-----------------+------------------------------+
//         | kind | type |  0  |  0  | length (u32 LE) | path: absolute, bytes as is  |
//         +------+------+-----+-----+-----------------+------------------------------+
//
//   kind  'A' added, 'M' modified, 'D' deleted, and 'E' once after the last, with type and length 0: without it the list
//         is incomplete
//   type  'f' file, 'd' directory, 'l' symlink, 'o' other; of a deleted thing, what it was
//
// A file in the upper is a change even when its bytes are the same. A folder is a change when its mode, owner or
// attributes differ from the lower's or when it is opaque; a different time alone is no change. A folder that is deleted, or replaced by
// something else, is one record: its content is not listed. Below an opaque folder, what the lower has and the upper hasn't is deleted.
namespace nacelle {

struct ChangesOptions {
  layer::MarkNames marks = layer::MarkNames::kTrusted;  // marks=trusted|user
  layer::LeaveOut leave_out;                            // exclude=PATH, empty=PATH and stub=PATH, which may each be given many times
};

// -EINVAL for an unknown key or a wrong value.
int parse_changes_options(const char* const* options, size_t count, ChangesOptions& result);

// `lower_fds`: the topmost first. 0 or -errno with the reason in `why`; -ENAMETOOLONG for what lies so deep that no path leads there
// (path.h).
int list_changes(int upper_fd, const int* lower_fds, size_t count, int output_fd, ChangesOptions options, Failure& why);

}  // namespace nacelle
