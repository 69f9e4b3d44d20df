#include <sys/mount.h>
#include <unistd.h>

#include <fcntl.h>

#include <cstdio>
#include <string>
#include <vector>

#include "../kernel/syscalls.h"
#include "ground.h"
#include "steps.h"

// A new root without pivot_root(2), which the kernel refuses where the host's root is the first one it had, as in an initramfs.
namespace nacelle {
namespace {

// A mount of the kernel's own view of the machine.
struct KernelMount {
  uint64_t id = 0;
  std::string path;
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
bool read_kernel_mount(const std::string& line, KernelMount& mount) {
  std::vector<std::string> words;
  for (size_t at = 0; at < line.size();) {
    const size_t end = line.find(' ', at);
    const size_t last = end == std::string::npos ? line.size() : end;
    words.push_back(line.substr(at, last - at));
    at = last + 1;
  }
  size_t bar = 6;
  while (bar < words.size() && words[bar] != "-") ++bar;
  if (bar + 1 >= words.size() || (words[bar + 1] != "proc" && words[bar + 1] != "sysfs")) return false;
  mount.id = std::strtoull(words[0].c_str(), nullptr, 10);
  mount.path = plain_path(words[4]);
  return true;
}

int kernel_mounts(std::vector<KernelMount>& mounts) {
  const unique_fd file(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!file) return -errno;
  std::string text;
  const int result = read_rest_of(file.get(), text);
  if (result < 0) return result;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    if (end == std::string::npos) return -EPROTO;
    KernelMount mount;
    if (read_kernel_mount(text.substr(at, end - at), mount)) mounts.push_back(std::move(mount));
    at = end + 1;
  }
  return 0;
}

// Whether a path leads to this mount, and not to one that has the same name below the new root, or lies on it.
int leads_to(const KernelMount& mount) {
  unique_fd fd;
  int result = opened(checked_int(open(mount.path.c_str(), O_PATH | O_CLOEXEC)), fd);
  if (result == -ENOENT || result == -ENOTDIR) return 0;
  uint64_t id = 0;
  if (result == 0) result = mount_id(fd.get(), id);
  return result < 0 ? result : id == mount.id;
}

}  // namespace

int run(Context& context, const args::change_root& a) {
  std::vector<KernelMount> mounts;
  int result = kernel_mounts(mounts);
  if (result < 0) return context.on("/proc/self/mountinfo", result);
  // the latest first: a mount may lie in one before it
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
    result = leads_to(*mount);
    if (result < 0) return context.on(mount->path.c_str(), result);
    if (result > 0 && umount2(mount->path.c_str(), MNT_DETACH) < 0) return context.on(mount->path.c_str(), -errno);
  }
  if (fchdir(context.slots.get(a.root)) < 0) return -errno;
  if (chroot(".") < 0) return -errno;
  return checked_int(::chdir("/"));
}

}  // namespace nacelle
