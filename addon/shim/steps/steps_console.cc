#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "../kernel/syscalls.h"
#include "steps.h"

// The console socket of OCI's runtimes (runc, docs/terminals.md): whoever asked for a terminal gets its descriptor there.
namespace nacelle {

// The socket's path may be longer than an address takes, so the socket is named by way of its folder's descriptor.
int run(Context& context, const args::send_terminal& a) {
  const std::string path = a.path.text;
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return -EINVAL;
  unique_fd folder;
  const int result = opened(checked_int(open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), folder);
  if (result < 0) return result;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const int size = std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder.get(), path.c_str() + slash + 1);
  if (size < 0 || static_cast<size_t>(size) >= sizeof address.sun_path) return -ENAMETOOLONG;
  // a socket whose owner does not accept must not hold the shim up
  const unique_fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return -errno;
  if (connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return -errno;
  char name[] = "/dev/ptmx";
  iovec data{name, sizeof name - 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  const int master = context.slots.get(a.terminal);
  std::memcpy(CMSG_DATA(head), &master, sizeof master);
  return sendmsg(socket.get(), &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

}  // namespace nacelle
