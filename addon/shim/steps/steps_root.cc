#include <sys/mount.h>
#include <unistd.h>

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "../kernel/syscalls.h"
#include "ground.h"
#include "steps.h"

// A new root without pivot_root(2), which the kernel refuses where the host's root is the first one it had, as in an initramfs.
namespace nacelle {
namespace {

struct Mount {
  uint64_t id = 0;
  uint64_t parent = 0;
  std::string path;
  bool is_kernels = false;  // the kernel's own view of the machine: proc or sysfs
};

int read_rest_of(int fd, std::string& text) {
  char part[4096];
  for (;;) {
    const ssize_t size = read(fd, part, sizeof part);
    if (size == 0) return 0;
    if (size < 0 && errno != EINTR) return -errno;
    if (size > 0) text.append(part, static_cast<size_t>(size));
  }
}

bool is_octal(char digit) { return digit >= '0' && digit <= '7'; }

// A path as /proc/PID/mountinfo has it, where a space is "\040".
std::string plain_path(const std::string& written) {
  std::string path;
  for (size_t at = 0; at < written.size(); ++at) {
    const bool is_escape = written[at] == '\\' && at + 3 < written.size() && is_octal(written[at + 1]) && is_octal(written[at + 2]) &&
                           is_octal(written[at + 3]);
    if (!is_escape) {
      path += written[at];
      continue;
    }
    path += static_cast<char>((written[at + 1] - '0') * 64 + (written[at + 2] - '0') * 8 + (written[at + 3] - '0'));
    at += 3;
  }
  return path;
}

// "ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [FIELDS…] - TYPE …" (proc_pid_mountinfo(5)).
bool read_mount(const std::string& line, Mount& mount) {
  std::vector<std::string> words;
  for (size_t at = 0; at < line.size();) {
    const size_t end = line.find(' ', at);
    const size_t last = end == std::string::npos ? line.size() : end;
    words.push_back(line.substr(at, last - at));
    at = last + 1;
  }
  size_t bar = 6;
  while (bar < words.size() && words[bar] != "-") ++bar;
  if (bar + 1 >= words.size()) return false;
  mount.id = std::strtoull(words[0].c_str(), nullptr, 10);
  mount.parent = std::strtoull(words[1].c_str(), nullptr, 10);
  mount.path = plain_path(words[4]);
  mount.is_kernels = words[bar + 1] == "proc" || words[bar + 1] == "sysfs";
  return true;
}

int read_mounts(int mountinfo, std::vector<Mount>& mounts) {
  mounts.clear();
  if (lseek(mountinfo, 0, SEEK_SET) < 0) return -errno;
  std::string text;
  const int result = read_rest_of(mountinfo, text);
  if (result < 0) return result;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    Mount mount;
    if (end == std::string::npos || !read_mount(text.substr(at, end - at), mount)) return -EPROTO;
    mounts.push_back(std::move(mount));
    at = end + 1;
  }
  return 0;
}

// Whether a mount is the root itself or lies on what does.
bool lies_on(const std::vector<Mount>& mounts, uint64_t id, uint64_t root) {
  // no line of parents is longer than all mounts
  for (size_t count = 0; count <= mounts.size(); ++count) {
    if (id == root) return true;
    const auto found = std::find_if(mounts.begin(), mounts.end(), [id](const Mount& mount) { return mount.id == id; });
    if (found == mounts.end() || found->parent == id) return false;
    id = found->parent;
  }
  return false;
}

// Unmounts the last of the host's views that is left. @returns 0 without one, 1 when there may be others, or -errno
int unmount_last(Context& context, int mountinfo, uint64_t root) {
  std::vector<Mount> mounts;
  int result = read_mounts(mountinfo, mounts);
  if (result < 0) return context.on("/proc/self/mountinfo", result);
  const auto last = std::find_if(mounts.rbegin(), mounts.rend(),
                                 [&](const Mount& mount) { return mount.is_kernels && !lies_on(mounts, mount.id, root); });
  if (last == mounts.rend()) return 0;
  unique_fd fd;
  result = opened(checked_int(open(last->path.c_str(), O_PATH | O_CLOEXEC)), fd);
  uint64_t id = 0;
  if (result == 0) result = mount_id(fd.get(), id);
  // what lies under another mount would stay, and count as seen by whoever mounts proc anew
  if (result == 0 && id != last->id) result = -EBUSY;
  if (result == 0) result = checked_int(umount2(last->path.c_str(), MNT_DETACH));
  return result < 0 ? context.on(last->path.c_str(), result) : 1;
}

}  // namespace

int run(Context& context, const args::change_root& a) {
  // the file stays when proc itself is unmounted
  const unique_fd mountinfo(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!mountinfo) return context.on("/proc/self/mountinfo", -errno);
  uint64_t root = 0;
  int result = mount_id(context.slots.get(a.root), root);
  if (result < 0) return result;
  do {
    result = unmount_last(context, mountinfo.get(), root);
  } while (result > 0);
  if (result < 0) return result;
  if (fchdir(context.slots.get(a.root)) < 0) return -errno;
  if (chroot(".") < 0) return -errno;
  return checked_int(::chdir("/"));
}

}  // namespace nacelle
