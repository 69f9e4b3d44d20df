#include "secret.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nacelle {

Secret::~Secret() {
  if (data_ != nullptr) munmap(data_, size_);
}

int Secret::take(std::string& bytes) {
  const size_t size = std::max<size_t>(bytes.size(), 1);
  // Nothing is there yet when it is kept from forks, so that the kernel joins it to what others keep beside: else each fork would take
  // longer for each plan (populated before, they are areas apart).
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -errno;
  data_ = static_cast<char*>(memory);
  size_ = size;
  const int result = share(false);
  if (result < 0) return result;
  std::memcpy(data_, bytes.data(), bytes.size());
  explicit_bzero(bytes.data(), bytes.size());
  bytes.clear();
  return 0;
}

int Secret::share(bool shared) { return madvise(data_, size_, shared ? MADV_DOFORK : MADV_DONTFORK) < 0 ? -errno : 0; }

}  // namespace nacelle
