#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "../kernel/syscalls.h"
#include "steps.h"

// Sockets of others that are sent a descriptor: the console socket of OCI's runtimes (runc, docs/terminals.md), their pidfd socket, and the
// agent of seccomp's listener (config-linux.md, "The Container Process State").
namespace nacelle {
namespace {

// Connects to the stream socket. Its path may be longer than an address takes, so the socket is named by way of its folder's descriptor.
int connect_to(const std::string& path, unique_fd& out) {
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
  unique_fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return -errno;
  if (connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return -errno;
  out = std::move(socket);
  return 0;
}

// One message with a text and a descriptor. A text that the socket has no room for is -EMSGSIZE.
int send_with(int socket, std::string text, int descriptor) {
  iovec data{text.data(), text.size()};
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
  std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  const ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  if (sent < 0) return -errno;
  return static_cast<size_t>(sent) == text.size() ? 0 : -EMSGSIZE;
}

}  // namespace

int run(Context& context, const args::send_terminal& a) {
  unique_fd socket;
  const int result = connect_to(a.path.text, socket);
  return result < 0 ? result : send_with(socket.get(), "/dev/ptmx", context.slots.get(a.terminal));
}

int run(Context& context, const args::send_process& a) {
  if (context.process == 0) return -ESRCH;
  unique_fd process, socket;
  int result = opened(sys_pidfd_open(context.process), process);
  if (result == 0) result = connect_to(a.path.text, socket);
  return result < 0 ? result : send_with(socket.get(), a.name.text, process.get());
}

int run(Context& context, const args::send_listener& a) {
  if (context.process == 0) return -ESRCH;
  std::string text;
  bool is_first = true;
  for (const Str& part : a.state) {
    if (!is_first) text += std::to_string(context.process);
    text += part.text;
    is_first = false;
  }
  unique_fd socket;
  // runc's words, which callers match
  if (const int result = connect_to(a.path.text, socket); result < 0) return context.failed(result, "failed to connect with seccomp agent");
  return send_with(socket.get(), std::move(text), context.slots.get(a.listener));
}

}  // namespace nacelle
