#include "output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nacelle::layer {
namespace {

constexpr size_t kBufferSize = 256 * 1024;

}  // namespace

Output::Output(int fd) : fd_(fd), buffer_(new char[kBufferSize]) {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &before_);
}

Output::~Output() { sigaction(SIGPIPE, &before_, nullptr); }

int Output::flush() {
  for (size_t done = 0; error_ == 0 && done < used_;) {
    const ssize_t count = write(fd_, buffer_.get() + done, used_ - done);
    if (count >= 0) {
      done += static_cast<size_t>(count);
    } else if (errno != EINTR) {
      error_ = -errno;
    }
  }
  used_ = 0;
  return error_;
}

char* Output::room(size_t& size) {
  if (used_ == kBufferSize) flush();
  size = kBufferSize - used_;
  return buffer_.get() + used_;
}

int Output::filled(size_t count) {
  used_ += count;
  return error_;
}

int Output::put(std::string_view bytes) {
  while (error_ == 0 && !bytes.empty()) {
    size_t size;
    char* to = room(size);
    const size_t count = std::min(size, bytes.size());
    std::memcpy(to, bytes.data(), count);
    filled(count);
    bytes.remove_prefix(count);
  }
  return error_;
}

int Output::put_zeros(uint64_t count) {
  while (error_ == 0 && count > 0) {
    size_t size;
    char* to = room(size);
    size = static_cast<size_t>(std::min<uint64_t>(size, count));
    std::memset(to, 0, size);
    filled(size);
    count -= size;
  }
  return error_;
}

}  // namespace nacelle::layer
