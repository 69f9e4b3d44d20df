#include "groups.h"
#include "layer/remove_tree.h"
#include "steps.h"
#include "syscalls.h"

namespace nacelle {
namespace {

int write_once(int fd, const char* data, size_t size) {
  const ssize_t count = write(fd, data, size);
  if (count < 0) return -errno;
  return static_cast<size_t>(count) == size ? 0 : -EIO;
}

}  // namespace

int run(Context& context, const args::make_group& a) {
  const int at = context.slots.get(a.at);
  const int result = make_group(at, a.path.text);
  if (result < 0) return result;
  const int fd = checked_int(openat(at, a.path.text, O_PATH | O_DIRECTORY | O_CLOEXEC));
  return fd < 0 ? fd : context.slots.put(a.out, unique_fd(fd));
}

int run(Context& context, const args::inherit_cpuset& a) { return inherit_cpuset(context.slots.get(a.at), a.path.text); }

int run(Context& context, const args::release_real_time& a) { return release_real_time(context.slots.get(a.at), a.path.text); }

int run(Context& context, const args::remove_group& a) { return remove_group(context.slots.get(a.at), a.path.text); }

int run(Context& context, const args::remove_folder& a) {
  if (unlinkat(context.slots.get(a.at), a.path.text, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
  if (errno != ENOTEMPTY && errno != EBUSY) return -errno;
  return a.wait == 0 ? 0 : -EBUSY;
}

int run(Context& context, const args::kill_group& a) { return kill_group(context.slots.get(a.at), a.path.text); }

int run(Context& context, const args::put& a) {
  const unique_fd fd(openat(context.slots.get(a.at), a.path.text, O_WRONLY | O_CLOEXEC));
  return fd ? write_once(fd.get(), a.bytes.data, a.bytes.size) : -errno;
}

int run(Context& context, const args::put_file& a) {
  const unique_fd fd(openat(context.slots.get(a.at), a.path.text, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  return fd ? write_once(fd.get(), a.bytes.data, a.bytes.size) : -errno;
}

int run(Context& context, const args::unlink& a) {
  return unlinkat(context.slots.get(a.at), a.path.text, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int run(Context& context, const args::remove_tree& a) { return layer::remove_tree(context.slots.get(a.at), a.path.text); }

int run(Context& context, const args::join_group& a) {
  const unique_fd fd(openat(context.slots.get(a.group), a.file.text, O_WRONLY | O_CLOEXEC));
  return fd ? write_once(fd.get(), "0", 1) : -errno;
}

int run(Context& context, const args::lock& a) {
  unique_fd fd(openat(context.slots.get(a.at), a.path.text, O_RDWR | O_CLOEXEC));
  if (!fd) return -errno;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(fd.get(), F_SETLK, &lock) < 0) return errno == EACCES ? -EAGAIN : -errno;
  return context.slots.put(a.out, std::move(fd));
}

}  // namespace nacelle
