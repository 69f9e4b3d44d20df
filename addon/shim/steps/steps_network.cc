#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "../kernel/file_io.h"
#include "../kernel/procfs.h"
#include "../kernel/syscalls.h"
#include "made_in.h"
#include "netlink.h"
#include "netlink_batch.h"
#include "steps.h"

namespace nacelle {
namespace {

// Takes a lock as Node does (open file description locks). -EBUSY: another process has it, or has removed the file, beside which there may
// be a new one.
int try_lock(int fd) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(fd, F_OFD_SETLK, &lock) < 0) return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
  struct stat file {};
  if (fstat(fd, &file) < 0) return -errno;
  return file.st_nlink == 0 ? -EBUSY : 0;
}

// Whether there is a file in a folder. One that is gone has none.
int has_files(const char* folder, bool& found) {
  unique_fd fd(::open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno == ENOENT ? 0 : -errno;
  Folder names(std::move(fd));
  if (!names.opened()) return -errno;
  found = names.next() != nullptr;
  return 0;
}

// Whether one of the links is there whose names the files in a folder have. Files of others are removed if `sweep` says so.
int has_links(int at, bool sweep, bool& found) {
  unique_fd fd(openat(at, "links", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno == ENOENT ? 0 : -errno;
  Folder names(std::move(fd));
  if (!names.opened()) return -errno;
  while (const char* name = names.next()) {
    const bool there = if_nametoindex(name) != 0;
    if (!there && errno != ENODEV) return -errno;
    found = found || there;
    if (!there && sweep && unlinkat(names.fd(), name, 0) < 0 && errno != ENOENT) return -errno;
  }
  return 0;
}

// Writes what a file in a folder says to a setting, and removes the file. One that is missing is success.
int put_back(int at, const char* saved, const char* setting) {
  const unique_fd file(openat(at, saved, O_RDONLY | O_CLOEXEC));
  if (!file) return errno == ENOENT ? 0 : -errno;
  char value[32];
  const ssize_t size = read(file.get(), value, sizeof value);
  if (size < 0) return -errno;
  const unique_fd target(::open(setting, O_WRONLY | O_CLOEXEC));
  if (!target) return -errno;
  const int written = write_all(target.get(), value, static_cast<size_t>(size));
  return written < 0 ? written : checked_int(unlinkat(at, saved, 0));
}

}  // namespace

int run(Context& context, const args::netlink_socket& a) {
  unique_fd made[1];
  const auto make = [&](unique_fd(&out)[1]) { return netlink_socket(static_cast<int>(a.protocol), out[0]); };
  const int networks = context.networks.ns.get();
  const int result = a.ns < 0 && networks >= 0 ? made_by(networks, [&] { return make(made); }) : made_in(context.slots, a.ns, make, made);
  return result < 0 ? result : context.slots.put(a.out, std::move(made[0]));
}

int run(Context& context, const args::tcp_socket& a) {
  unique_fd made[1];
  const auto make = [&](unique_fd(&out)[1]) {
    out[0].reset(socket(static_cast<int>(a.family), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
    return out[0] ? 0 : -errno;
  };
  const int result = made_in(context.slots, a.ns, make, made);
  return result < 0 ? result : context.slots.put(a.out, std::move(made[0]));
}

int run(Context& context, const args::netlink& a) {
  return netlink_request(context, context.slots.get(a.socket), a.message, a.patch, a.patch_offset);
}

int run(Context& context, const args::netlink_list& a) {
  return netlink_list(context, context.slots.get(a.socket), a.message, a.having, a.most);
}

int run(Context& context, const args::netlink_batch& a) { return netlink_batch(context, context.slots.get(a.socket), a.messages, a.names); }

int run(Context& context, const args::remove_links& a) {
  const int socket = context.slots.get(a.socket);
  return socket < 0 ? 0 : remove_links(context, socket, static_cast<uint32_t>(a.group));
}

int run(Context& context, const args::remove_link& a) {
  const int socket = context.slots.get(a.socket);
  if (socket < 0) return a.required == 0 ? 0 : -EBADF;
  const int result = remove_link(context, socket, static_cast<int>(a.index));
  return result == -ENODEV && a.required == 0 ? 0 : result;
}

int run(Context& context, const args::leave_bridge& a) {
  const unique_fd lock(::open(a.lock.text, O_RDWR | O_CLOEXEC));
  // nobody has ever made a bridge
  if (!lock) return errno == ENOENT ? 0 : -errno;
  const int locked = try_lock(lock.get());
  bool used = false;
  const int looked = has_files(a.uses.text, used);
  if (looked < 0) return looked;
  // whoever has a use leaves the bridge after this, and so need not be waited for
  if (used) return 0;
  if (locked < 0) return locked;
  const int socket = context.slots.get(a.socket);
  return socket < 0 ? 0 : remove_links(context, socket, static_cast<uint32_t>(a.group));
}

int run(Context&, const args::leave_settings& a) {
  const unique_fd folder(::open(a.folder.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // nobody has ever changed one
  if (!folder) return errno == ENOENT ? 0 : -errno;
  bool used = false;
  if (const int result = has_links(folder.get(), false, used); result < 0 || used) return result;
  const unique_fd lock(openat(folder.get(), "lock", O_RDWR | O_CLOEXEC));
  if (!lock) return errno == ENOENT ? 0 : -errno;
  if (const int result = try_lock(lock.get()); result < 0) return result;
  // another process may have made a link since we looked
  if (const int result = has_links(folder.get(), true, used); result < 0 || used) return result;
  auto setting = a.settings.begin();
  for (const Str& saved : a.saved) {
    if (!(setting != a.settings.end())) return -EINVAL;
    if (const int result = put_back(folder.get(), saved.text, (*setting).text); result < 0) return result;
    ++setting;
  }
  // whoever makes the folders makes them before there is a lock to wait for: then they stay
  if (unlinkat(folder.get(), "links", AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY) return -errno;
  if (unlinkat(folder.get(), "lock", 0) < 0) return -errno;
  return rmdir(a.folder.text) < 0 && errno != ENOENT && errno != ENOTEMPTY ? -errno : 0;
}

int run(Context&, const args::link_up& a) {
  ifreq request{};
  if (a.name.size >= sizeof request.ifr_name) return -ENAMETOOLONG;
  std::memcpy(request.ifr_name, a.name.text, a.name.size + 1);
  const unique_fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return -errno;
  if (ioctl(fd.get(), SIOCGIFFLAGS, &request) < 0) return -errno;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return checked_int(ioctl(fd.get(), SIOCSIFFLAGS, &request));
}

int run(Context& context, const args::sysctls_in& a) {
  const int ns = context.slots.get(a.ns);
  // copied, since a fork does not inherit the plan (secret.h)
  const std::string value(a.value.text, a.value.size);
  std::vector<std::string> files;
  for (const Str& path : a.paths) files.push_back(std::string("/proc/sys/net/") + path.text);
  return in_sharing_process([&] {
    int result = checked_int(::setns(ns, CLONE_NEWNET));
    for (const std::string& file : files) {
      if (result == 0) result = write_procfs(AT_FDCWD, file.c_str(), value.data(), value.size());
    }
    return result;
  });
}

}  // namespace nacelle
