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

Reserve::Loan::Loan(Reserve& reserve) : reserve_(reserve), is_inner_(reserve.is_lent_) {
  if (is_inner_) return;
  reserve_.is_lent_ = true;
  // EMFILE: no descriptor is free. EBADF: an earlier loan has not been filled up again. The machine's own limit (ENFILE) doesn't bind root
  std::array<unique_fd, kNeeded> tried;
  for (unique_fd& fd : tried) {
    fd.reset(fcntl(reserve_.kept_.front().get(), F_DUPFD_CLOEXEC, 0));
    is_taken_ = !fd;
    if (is_taken_) break;
  }
  if (is_taken_) {
    for (unique_fd& fd : reserve_.kept_) fd.reset();
  }
}

// Opens the kept descriptors again. Those that can't be opened now are opened at the end of a later loan.
Reserve::Loan::~Loan() {
  if (is_inner_) return;
  reserve_.is_lent_ = false;
  if (is_taken_) static_cast<void>(reserve_.fill());
}

}  // namespace nacelle
