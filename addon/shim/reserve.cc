#include "reserve.h"

#include <fcntl.h>

#include <cerrno>

namespace nacelle {

int Reserve::fill() {
  for (unique_fd& fd : kept_) {
    if (!fd) fd.reset(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return -errno;
  }
  return 0;
}

Reserve::Loan::Loan(Reserve& reserve) : reserve_(reserve) {
  const unique_fd one(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  is_taken_ = !one && (errno == EMFILE || errno == ENFILE);
  if (is_taken_) {
    for (unique_fd& fd : reserve_.kept_) fd.reset();
  }
}

// What can't be had back now is had by the next loan that finds room.
Reserve::Loan::~Loan() {
  if (is_taken_) static_cast<void>(reserve_.fill());
}

}  // namespace nacelle
