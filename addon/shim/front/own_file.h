#pragma once

#include <sys/stat.h>
#include <unistd.h>

namespace nacelle {

// Whether the caller alone may write to what is open: it is believed what is written there.
inline bool is_own(int fd, mode_t type) {
  struct stat status {};
  if (fstat(fd, &status) < 0 || (status.st_mode & S_IFMT) != type) return false;
  return status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace nacelle
