#pragma once

#include <cstdint>

#include "../wire/wire.h"

namespace nacelle {

// Files out of a container that has ended, by a process that has no right but its user's. What is there was made by the program:
// no link is followed, and nothing but files and folders is opened.
//
// Writes to a pipe, for each path in turn:
//   u8 1, u32 length, path, u64 size, bytes, i32 errno      a regular file at or below it; not 0: it could not be read to its
//                                                           end, and the bytes mean nothing
//   u8 2, u32 length, path, i32 errno, u32 length, words    what stays there, and why. Errno 0: the words say it;
//                                                           EFBIG: it is over `max`, the words are its size, or none
//   u8 0                                                    the path is done; one that is missing has nothing before this
//
// All but the last are never more than `max` bytes together; a path below which there is more has one more record of kind 2, of
// its own. 0, or -errno of the pipe.
int copy_out_of(int root, const List<Str>& paths, int to, uint64_t max);

}  // namespace nacelle
