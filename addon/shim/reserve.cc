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
  // root is above the limit of the machine's open files, so the process's alone counts
  const unique_fd one(fcntl(reserve_.kept_.front().get(), F_DUPFD_CLOEXEC, 0));
  is_taken_ = !one && errno == EMFILE;
  if (is_taken_) {
    for (unique_fd& fd : reserve_.kept_) fd.reset();
  }
}

// What can't be had back now is had by the next loan that finds room.
Reserve::Loan::~Loan() {
  if (is_taken_) static_cast<void>(reserve_.fill());
}

}  // namespace nacelle
