#pragma once

#include <cstddef>

#include "steps.h"

namespace nacelle {

// Sets 'key=value' or 'flag' of a file system context that fsopen made.
int set_filesystem_option(int fs, const char* option);

// Reads what the kernel says of the last failure (the fs context's message queue), without its class letter.
void read_filesystem_log(int fs, char* text, size_t size);

// Makes an overlay as a detached mount, in the newest way that the kernel has:
//   6.13  each folder by descriptor           fsconfig SET_FD lowerdir+
//   6.8   each by a path of its descriptor    fsconfig lowerdir+ /proc/self/fd/N
//   older all in one string                   lowerdir=N:N:N, relative to /proc/self/fd: a string of fsconfig
//         holds 256 bytes, so a long list goes through mount(2), which takes a page
// Paths never appear in an option, so no character in them needs escaping.
int make_overlay(Context& context, const args::overlay& a, unique_fd& out);

}  // namespace nacelle
