#pragma once

#include <cstddef>
#include <string>

namespace nacelle {

// Reads a regular file, or one of the kernel's, whose size is at most `most`: -EFBIG else. 0 or -errno.
int read_text(int at, const char* path, size_t most, std::string& text);

// Reads from a descriptor up to the end. 0 or -errno.
int read_rest(int fd, size_t most, std::string& text);

}  // namespace nacelle
