#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string_view>

namespace nacelle::layer {

// A stream written in large pieces. The first error stays, and every later call returns it. When the reader has gone, that is -EPIPE,
// without SIGPIPE.
class Output {
 public:
  explicit Output(int fd);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output();

  int put(std::string_view bytes);
  int put_zeros(uint64_t count);
  int put_byte(char byte) { return put({&byte, 1}); }
  // room() gives a place to read into, and filled() tells how much of it was used.
  char* room(size_t& size);
  int filled(size_t count);
  int flush();
  int error() const { return error_; }

 private:
  int fd_;
  int error_ = 0;
  std::unique_ptr<char[]> buffer_;
  size_t used_ = 0;
  struct sigaction before_ {};
};

}  // namespace nacelle::layer
