#include "procfs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>

#include <cerrno>

#include "unique_fd.h"

namespace nacelle {

int write_procfs(const char* path, const char* data, size_t size) {
  const unique_fd fd(open(path, O_WRONLY | O_CLOEXEC));
  if (!fd) return -errno;
  struct statfs status {};
  if (fstatfs(fd.get(), &status) < 0) return -errno;
  if (status.f_type != PROC_SUPER_MAGIC) return -EXDEV;
  const ssize_t written = write(fd.get(), data, size);
  if (written < 0) return -errno;
  return static_cast<size_t>(written) == size ? 0 : -EIO;
}

}  // namespace nacelle
