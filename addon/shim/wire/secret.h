#pragma once

#include <cstddef>
#include <string>

namespace nacelle {

// Bytes that forks of this process don't inherit (MADV_DONTFORK): a plan has a program's environment and files in it,
// and the processes of other containers begin as forks. They leave memory when this object is destroyed.
class Secret {
 public:
  Secret() = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  // Moves the bytes here, and wipes them where they were; may be called once. 0 or -errno.
  int take(std::string& bytes);
  // Sets whether the next fork has the bytes, as the process does whose plan they are. 0 or -errno.
  int share(bool shared);

  const char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace nacelle
