#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "../kernel/file_io.h"
#include "../kernel/syscalls.h"
#include "netlink.h"
#include "netlink_batch.h"
#include "steps.h"

namespace nacelle {
namespace {

// Runs in a process of its own, which has the caller's descriptors: puts what `make` opens in a network namespace in the place of `place`.
template <typename Make>
int make_inside(int ns, const Make& make, int place) {
  if (::setns(ns, CLONE_NEWNET) < 0) return -errno;
  unique_fd fd;
  const int result = make(fd);
  return result < 0 ? result : checked_int(dup3(fd.get(), place, O_CLOEXEC));
}

// Makes a socket in a network namespace; ns -1: in the process's own. A socket belongs to the namespace that its maker is in. The shim
// can't go there itself: without root it has no right to come back. So a process does that which shares its descriptors, and ends.
template <typename Make>
int made_in(const Context& context, int32_t ns, const Make& make, unique_fd& out) {
  if (ns < 0) return make(out);
  const int inside = context.slots.get(ns);
  unique_fd place(fcntl(inside, F_DUPFD_CLOEXEC, 3));
  if (!place) return -errno;
  CloneArguments sharing;
  sharing.flags = CLONE_FILES;
  const pid_t pid = sys_clone3(sharing);
  if (pid < 0) return pid;
  if (pid == 0) {
    const int result = make_inside(inside, make, place.get());
    _exit(result < 0 ? -result : 0);
  }
  int status = 0;
  if (waitpid(pid, &status, __WALL) < 0) return -errno;
  if (!WIFEXITED(status)) return -ECHILD;
  if (WEXITSTATUS(status) != 0) return -WEXITSTATUS(status);
  out = std::move(place);
  return 0;
}

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

}  // namespace

int run(Context& context, const args::netlink_socket& a) {
  unique_fd fd;
  const auto make = [&](unique_fd& out) { return netlink_socket(static_cast<int>(a.protocol), out); };
  const int result = made_in(context, a.ns, make, fd);
  return result < 0 ? result : context.slots.put(a.out, std::move(fd));
}

int run(Context& context, const args::tcp_socket& a) {
  unique_fd fd;
  const auto make = [&](unique_fd& out) {
    out.reset(socket(static_cast<int>(a.family), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
    return out ? 0 : -errno;
  };
  const int result = made_in(context, a.ns, make, fd);
  return result < 0 ? result : context.slots.put(a.out, std::move(fd));
}

int run(Context& context, const args::netlink& a) {
  return netlink_request(context, context.slots.get(a.socket), a.message, a.patch, a.patch_offset);
}

int run(Context& context, const args::netlink_batch& a) { return netlink_batch(context, context.slots.get(a.socket), a.messages, a.names); }

int run(Context& context, const args::remove_table& a) {
  const int socket = context.slots.get(a.socket);
  return socket < 0 ? 0 : remove_table(context, socket, static_cast<uint8_t>(a.family), a.table);
}

int run(Context& context, const args::remove_links& a) {
  const int socket = context.slots.get(a.socket);
  return socket < 0 ? 0 : remove_links(context, socket, static_cast<uint32_t>(a.group));
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

}  // namespace nacelle
