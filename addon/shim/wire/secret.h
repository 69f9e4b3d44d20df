#pragma once

#include <cstddef>
#include <string>

namespace nacelle {

// Bytes that forks of this process don't inherit (MADV_DONTFORK): a plan has a program's environment and files in it,
// and the processes of other containers begin as forks. Gone from memory with this.
class Secret {
 public:
  Secret() = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  // Once: moves the bytes here, and leaves none of them where they were. 0 or -errno.
  int take(std::string& bytes);
  // Whether the next fork, the one whose plan it is, has them. 0 or -errno.
  int share(bool shared);

  const char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace nacelle
