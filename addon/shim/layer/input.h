#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>

namespace nacelle::layer {

// A stream read in large pieces and handed out from its buffer, with a cap on its whole length.
// Functions return a number of bytes, 0 at the end of the stream, or -errno (-kBeyondLimit past the cap).
// What `at` points to holds until the next call.
class Input {
 public:
  Input(int fd, uint64_t cap);

  // A block of the archive: 512 bytes, 0 at the end, or -EBADMSG when the stream ends within it.
  ssize_t block(const char*& at);
  // The next bytes of the stream: at least one, and at most `most`.
  ssize_t some(const char*& at, uint64_t most);

 private:
  ssize_t fill();

  int fd_;
  uint64_t cap_;
  uint64_t total_ = 0;
  std::unique_ptr<char[]> buffer_;
  size_t start_ = 0, end_ = 0;
};

}  // namespace nacelle::layer
