#pragma once

#include <cstdint>

#include "../wire/wire.h"

namespace nacelle {

// Copies files out of a container that has ended, by a process that has only the rights of the container's user. The program made the
// files, so no link is followed, and nothing but files and folders is opened.
//
// Writes to a pipe, for each path in turn:
//   u8 1, u32 length, path, u64 size, bytes, i32 errno      a regular file at or below the path; an errno other than 0: it could
//                                                           not be read to its end, and the bytes mean nothing
//   u8 2, u32 length, path, i32 errno, u32 length, words    what is not copied, and why. Errno 0: the words say why;
//                                                           EFBIG: it exceeds `max`, and the words are its size, or empty
//   u8 0                                                    the path is done; a path that is missing has only this record
//
// All records but those of kind 0 have at most `max` bytes together. A path below which there is more has one more record of kind 2,
// which is not counted. 0, or -errno of the pipe.
int copy_out_of(int root, const List<Str>& paths, int to, uint64_t max);

}  // namespace nacelle
