#include "overlay.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <climits>
#include <cstring>

#include "../kernel/syscalls.h"

namespace nacelle {
namespace {

struct FdPath {
  explicit FdPath(int fd) { std::snprintf(text, sizeof text, "/proc/self/fd/%d", fd); }
  char text[32];
};

int set_folder(int fs, const char* key, int fd) {
  const int result = sys_fsconfig(fs, kSetFd, key, nullptr, fd);
  if (result != -EINVAL && result != -EBADF && result != -EOPNOTSUPP) return result;
  return sys_fsconfig(fs, kSetString, key, FdPath(fd).text, 0);
}

// Adds "N:N:N" to `text`.
bool join_lowers(const Context& context, const args::overlay& a, char* text, size_t size) {
  size_t used = 0;
  for (const int32_t slot : a.lower) {
    const int length = std::snprintf(text + used, size - used, used == 0 ? "%d" : ":%d", context.slots.get(slot));
    if (length < 0 || static_cast<size_t>(length) >= size - used) return false;
    used += static_cast<size_t>(length);
  }
  return true;
}

// Mounts by mount(2), which needs a mount point: a tmpfs of one folder, laid over the root of this process's own mount namespace, where no
// path leads to it. The tmpfs is taken away again.
int mount_in_own_namespace(const char* source, const char* data, unique_fd& out) {
  const unique_fd fs(sys_fsopen("tmpfs"));
  if (!fs) return -errno;
  int result = sys_fsconfig(fs.get(), kCreate, nullptr, nullptr, 0);
  if (result < 0) return result;
  const unique_fd place(sys_fsmount(fs.get(), 0));
  if (!place) return -errno;
  result = sys_move_mount(place.get(), "", AT_FDCWD, "/", kMoveMountFromEmpty);
  if (result < 0) return result;
  if (mkdirat(place.get(), "m", 0700) < 0) return -errno;
  char target[40];
  std::snprintf(target, sizeof target, "/proc/self/fd/%d/m", place.get());
  result = checked_int(mount(source, target, "overlay", 0, data));
  if (result == 0) {
    result = opened(sys_open_tree(AT_FDCWD, target, OPEN_TREE_CLONE | kOpenTreeCloexec), out);
    if (umount2(target, MNT_DETACH) < 0 && result == 0) result = -errno;
  }
  if (umount2(FdPath(place.get()).text, MNT_DETACH) < 0 && result == 0) result = -errno;
  return result;
}

// The source that a mount table shows. It is an option of fsconfig, but a separate argument of mount(2).
constexpr char kSource[] = "source=";
bool is_source(const Str& option) { return std::strncmp(option.text, kSource, sizeof kSource - 1) == 0; }

int make_by_mount(Context& context, const args::overlay& a, const char* lowers, unique_fd& out) {
  char data[4096];
  int used = std::snprintf(data, sizeof data, "lowerdir=%s", lowers);
  const auto add = [&](const char* format, auto value) {
    if (used >= 0 && static_cast<size_t>(used) < sizeof data) {
      const int length = std::snprintf(data + used, sizeof data - static_cast<size_t>(used), format, value);
      used = length < 0 ? length : used + length;
    }
  };
  if (a.upper >= 0) {
    add(",upperdir=%d", context.slots.get(a.upper));
    add(",workdir=%d", context.slots.get(a.work));
  }
  const char* source = "overlay";
  for (const Str& option : a.options) {
    if (is_source(option)) {
      source = option.text + sizeof kSource - 1;
    } else {
      add(",%s", option.text);
    }
  }
  if (used < 0 || static_cast<size_t>(used) >= sizeof data) return context.failed(-E2BIG, "too many layers for this kernel");
  unique_fd mount;
  int result = mount_in_own_namespace(source, data, mount);
  if (result < 0) return result;
  MountAttributes attributes;
  attributes.set = a.attributes;
  result = sys_mount_setattr(mount.get(), "", AT_EMPTY_PATH, attributes);
  if (result == 0) out = std::move(mount);
  return result;
}

// Whether the kernel is before 6.5. Its context takes any string and reports mistakes only at the end, so the answer to a string tells
// nothing. But it refuses a descriptor at once, before it looks at it.
bool takes_strings_alone(int fs) { return sys_fsconfig(fs, kSetFd, "lowerdir+", nullptr, INT_MAX) == -EOPNOTSUPP; }

int add_lowers(Context& context, const args::overlay& a, int fs) {
  if (takes_strings_alone(fs)) return -EINVAL;
  for (const int32_t slot : a.lower) {
    const int result = set_folder(fs, "lowerdir+", context.slots.get(slot));
    if (result < 0) return result;
  }
  return 0;
}

int create(Context& context, const args::overlay& a, int fs, unique_fd& out) {
  if (a.upper >= 0) {
    int result = set_folder(fs, "upperdir", context.slots.get(a.upper));
    if (result == 0) result = set_folder(fs, "workdir", context.slots.get(a.work));
    if (result < 0) return result;
  }
  for (const Str& option : a.options) {
    const int result = set_filesystem_option(fs, option.text);
    if (result < 0) return context.on(option.text, result);
  }
  const int result = sys_fsconfig(fs, kCreate, nullptr, nullptr, 0);
  if (result < 0) return result;
  return opened(sys_fsmount(fs, static_cast<unsigned>(a.attributes)), out);
}

}  // namespace

int set_filesystem_option(int fs, const char* option) {
  const char* value = std::strchr(option, '=');
  if (value == nullptr) return sys_fsconfig(fs, kSetFlag, option, nullptr, 0);
  char key[64];
  const auto length = static_cast<size_t>(value - option);
  if (length >= sizeof key) return -ENAMETOOLONG;
  std::memcpy(key, option, length);
  key[length] = '\0';
  return sys_fsconfig(fs, kSetString, key, value + 1, 0);
}

void read_filesystem_log(int fs, char* text, size_t size) {
  if (text[0] != '\0') return;
  const ssize_t count = read(fs, text, size - 1);
  text[count < 0 ? 0 : count] = '\0';
  if (count > 2 && text[1] == ' ') std::memmove(text, text + 2, static_cast<size_t>(count) - 1);
}

int make_overlay(Context& context, const args::overlay& a, unique_fd& out) {
  const unique_fd fs(sys_fsopen("overlay"));
  if (!fs) return context.failed(-errno, "the kernel has no overlay file system");
  int result = add_lowers(context, a, fs.get());
  if (result == 0) {
    result = create(context, a, fs.get(), out);
    if (result < 0) read_filesystem_log(fs.get(), context.text, sizeof context.text);
    return result;
  }
  if (result != -EINVAL) return read_filesystem_log(fs.get(), context.text, sizeof context.text), result;

  // an older kernel takes one string: it has short names, relative to /proc/self/fd
  char lowers[4096];
  if (!join_lowers(context, a, lowers, sizeof lowers)) return context.failed(-E2BIG, "too many layers for this kernel");
  if (::chdir("/proc/self/fd") < 0) return -errno;
  if (std::strlen(lowers) < 250) {
    const unique_fd old(sys_fsopen("overlay"));
    if (!old) return -errno;
    result = sys_fsconfig(old.get(), kSetString, "lowerdir", lowers, 0);
    if (result == 0) result = create(context, a, old.get(), out);
    if (result < 0) read_filesystem_log(old.get(), context.text, sizeof context.text);
  } else {
    result = make_by_mount(context, a, lowers, out);
  }
  if (::chdir("/") < 0 && result == 0) result = -errno;
  return result;
}

}  // namespace nacelle
