#include "procfs.h"

#include <linux/magic.h>
#include <sys/statfs.h>

#include <cerrno>

#include "syscalls.h"
#include "unique_fd.h"

namespace nacelle {

int write_procfs(int proc, const char* path, const char* data, size_t size) {
  const uint64_t within = proc == AT_FDCWD ? 0 : RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
  unique_fd fd;
  const int result = opened(sys_openat2(proc, path, O_WRONLY | O_CLOEXEC, 0, within), fd);
  if (result < 0) return result;
  struct statfs status {};
  if (fstatfs(fd.get(), &status) < 0) return -errno;
  if (status.f_type != PROC_SUPER_MAGIC) return -EXDEV;
  const ssize_t written = write(fd.get(), data, size);
  if (written < 0) return -errno;
  return static_cast<size_t>(written) == size ? 0 : -EIO;
}

}  // namespace nacelle
