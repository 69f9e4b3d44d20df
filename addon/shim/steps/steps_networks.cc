#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "steps.h"

namespace nacelle {
namespace {

// The socket's path may be longer than an address takes, so it is named by way of the folder's descriptor.
int connect_below(const char* path, unique_fd& out) {
  const unique_fd folder(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return -errno;
  unique_fd made(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) return -errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/shim.sock", folder.get());
  if (connect(made.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return -errno;
  out = std::move(made);
  return 0;
}

bool is_inode(int fd, uint64_t inode) {
  struct stat file {};
  return fd >= 0 && fstat(fd, &file) == 0 && file.st_ino == inode;
}

}  // namespace

int run(Context& context, const args::networks_in& a) {
  JoinedNetworks& own = context.networks;
  if (is_inode(own.ns.get(), a.inode)) return 0;
  JoinedNetworks joined;
  // first: from then on the namespace stays
  if (const int result = connect_below(a.folder.text, joined.keeper); result < 0) return result;
  joined.ns.reset(::open(a.path.text, O_RDONLY | O_CLOEXEC));
  if (!joined.ns) return -errno;
  if (!is_inode(joined.ns.get(), a.inode)) return -ESTALE;
  own = std::move(joined);
  return 0;
}

}  // namespace nacelle
