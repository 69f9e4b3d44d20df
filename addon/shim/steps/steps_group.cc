#include <climits>
#include <cstring>
#include <string>

#include "../kernel/file_io.h"
#include "../kernel/groups.h"
#include "../kernel/syscalls.h"
#include "../layer/remove_tree.h"
#include "steps.h"

namespace nacelle {
namespace {

// A file that has its name once it is written, so that nobody finds it empty.
int put_named_late(int at, const args::put_file& a) {
  const std::string path(a.path.text);
  const size_t end = path.rfind('/');
  const std::string folder = end == std::string::npos ? "." : path.substr(0, end + 1);
  const unique_fd fd(openat(at, folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (!fd) return -errno;
  const int result = write_once(fd.get(), a.bytes.data, a.bytes.size);
  const std::string own = "/proc/self/fd/" + std::to_string(fd.get());
  return result < 0 ? result : checked_int(linkat(AT_FDCWD, own.c_str(), at, path.c_str(), AT_SYMLINK_FOLLOW));
}

int put_named_first(int at, const args::put_file& a) {
  const unique_fd fd(openat(at, a.path.text, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return -errno;
  const int result = write_once(fd.get(), a.bytes.data, a.bytes.size);
  // a full file system makes the file, and takes nothing
  if (result < 0) unlinkat(at, a.path.text, 0);
  return result;
}

constexpr char kAllowFile[] = "devices.allow";

unique_fd open_allow_file(const Context& context, int32_t group) {
  return unique_fd(openat(context.slots.get(group), kAllowFile, O_WRONLY | O_CLOEXEC));
}

// Allows of these letters of access what the group above allows too.
int allow_letters(int fd, const std::string& device, const char* access) {
  std::string line = device + ' ' + access;
  const int result = write_once(fd, line.data(), line.size());
  if (result != -EPERM) return result;
  // the kernel refuses all letters when the group above refuses one of them, so each is tried alone
  for (const char* letter = access; *letter != '\0'; ++letter) {
    line = device + ' ' + *letter;
    const int alone = write_once(fd, line.data(), line.size());
    if (alone < 0 && alone != -EPERM) return alone;
  }
  return 0;
}

// A rule is in the kernel's words, such as "c 1:3 rwm".
int allow_device(Context& context, int fd, const std::string& rule) {
  const size_t end = rule.rfind(' ');
  const int result = end == std::string::npos ? -EINVAL : allow_letters(fd, rule.substr(0, end), rule.c_str() + end + 1);
  return result < 0 ? context.on((std::string(kAllowFile) + ": " + rule).c_str(), result) : 0;
}

}  // namespace

int run(Context& context, const args::make_group& a) {
  const int at = context.slots.get(a.at);
  const int result = make_group(at, a.path.text);
  if (result < 0) return result;
  const int fd = checked_int(openat(at, a.path.text, O_PATH | O_DIRECTORY | O_CLOEXEC));
  return fd < 0 ? fd : context.slots.put(a.out, unique_fd(fd));
}

int run(Context& context, const args::inherit_cpuset& a) { return inherit_cpuset(context.slots.get(a.at), a.path.text, 1); }

int run(Context&, const args::inherit_cpusets& a) { return inherit_cpuset(AT_FDCWD, a.path.text, a.most); }

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
  const int at = context.slots.get(a.at);
  const int result = put_named_late(at, a);
  // not every file system makes files without a name
  return result == -EOPNOTSUPP || result == -EISDIR ? put_named_first(at, a) : result;
}

int run(Context&, const args::link& a) { return checked_int(linkat(AT_FDCWD, a.target.text, AT_FDCWD, a.path.text, 0)); }

int run(Context&, const args::rename& a) { return checked_int(renameat(AT_FDCWD, a.path.text, AT_FDCWD, a.target.text)); }

int run(Context& context, const args::unlink& a) {
  return unlinkat(context.slots.get(a.at), a.path.text, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int run(Context& context, const args::unlink_if& a) {
  const int at = context.slots.get(a.at);
  const unique_fd fd(openat(at, a.path.text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return errno == ENOENT ? 0 : -errno;
  std::string content(a.bytes.size + 1, '\0');
  const ssize_t size = ::read(fd.get(), content.data(), content.size());
  if (size < 0) return -errno;
  content.resize(static_cast<size_t>(size));
  if (content != std::string(a.bytes.data, a.bytes.size)) return 0;
  return unlinkat(at, a.path.text, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int run(Context&, const args::forget& a) { return ::unlink(a.path.text) < 0 && errno != ENOENT ? -errno : 0; }

int run(Context& context, const args::remove_tree& a) { return layer::remove_tree(context.slots.get(a.at), a.path.text); }

int run(Context& context, const args::join_group& a) {
  const unique_fd fd(openat(context.slots.get(a.group), a.file.text, O_WRONLY | O_CLOEXEC));
  return fd ? write_once(fd.get(), "0", 1) : -errno;
}

int run(Context&, const args::join_above& a) {
  char path[PATH_MAX];
  size_t length = std::strlen(a.path.text);
  if (length + sizeof "/tasks" > sizeof path) return -ENAMETOOLONG;
  std::memcpy(path, a.path.text, length);
  while (length > a.floor) {
    std::memcpy(path + length, "/tasks", sizeof "/tasks");
    const unique_fd fd(open(path, O_WRONLY | O_CLOEXEC));
    const int result = fd ? write_once(fd.get(), "0", 1) : -errno;
    // a group that is removed meanwhile holds no limits, nor does a cpuset that was made just now: its parent is tried
    if (result != -ENOENT && result != -ENODEV && result != -ENOSPC) return result;
    do {
      --length;
    } while (length > a.floor && path[length] != '/');
  }
  return 0;
}

int run(Context& context, const args::allow_device& a) {
  const unique_fd fd = open_allow_file(context, a.group);
  if (!fd) return context.on(kAllowFile, -errno);
  return allow_device(context, fd.get(), std::string(a.device.text) + ' ' + a.access.text);
}

int run(Context& context, const args::allow_devices& a) {
  const unique_fd fd = open_allow_file(context, a.group);
  if (!fd) return context.on(kAllowFile, -errno);
  for (const Str& rule : a.devices) {
    const int result = allow_device(context, fd.get(), rule.text);
    if (result < 0) return result;
  }
  return 0;
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
