#include "notify.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "../kernel/syscalls.h"
#include "ready_message.h"

namespace nacelle {
namespace {

constexpr int kInput = 0, kOutput = 1;
constexpr size_t kMostMessage = 4096;
// As long as runc waits for a barrier.
constexpr int kBarrierSeconds = 30;
// A container that floods does not keep this process from hearing of an end.
constexpr int kMostAtOnce = 64;
// What a process has sent before its end counts, so all of a queue is read then: systemd lets one have 512 (net.unix.max_dgram_qlen).
constexpr int kMostAtEnd = 1024;
constexpr int kClockMicroseconds = 10'000;

[[noreturn]] void fail(const std::string& what, int error) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), std::strerror(-error));
  _exit(1);
}

int datagram_socket(unique_fd& out) { return opened(checked_int(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)), out); }

// The folder may have a longer path than an address takes, so it is named by its descriptor.
int bound_at(const std::string& path, unique_fd& out) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return -EINVAL;
  unique_fd folder;
  int result = opened(checked_int(open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), folder);
  if (result < 0) return result;
  const char* name = path.c_str() + slash + 1;
  // a start that was killed has left one
  if (unlinkat(folder.get(), name, 0) < 0 && errno != ENOENT) return -errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const int size = std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder.get(), name);
  if (size < 0 || static_cast<size_t>(size) >= sizeof address.sun_path) return -ENAMETOOLONG;
  result = datagram_socket(out);
  if (result < 0) return result;
  // whichever user the program has may tell that it is ready
  umask(0);
  return checked_int(bind(out.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

// An address of systemd's: a path, or after '@' a name that is in no folder.
int connected_to(const char* host, unique_fd& out) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t size = std::strlen(host);
  if (size == 0 || size >= sizeof address.sun_path) return -ENAMETOOLONG;
  std::memcpy(address.sun_path, host, size);
  if (host[0] == '@') address.sun_path[0] = '\0';
  const int result = datagram_socket(out);
  if (result < 0) return result;
  const timeval longest{kBarrierSeconds, 0};
  if (setsockopt(out.get(), SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest) < 0) return -errno;
  const size_t length = offsetof(sockaddr_un, sun_path) + size;
  return checked_int(connect(out.get(), reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(length)));
}

// One message from the runtime's own pid, with a descriptor unless that is -1.
int send_as(const ucred& sender, int socket, std::string text, int descriptor) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof sender) + CMSG_SPACE(sizeof descriptor)] = {};
  iovec data{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(sizeof sender) + (descriptor < 0 ? 0 : CMSG_SPACE(sizeof descriptor));
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_CREDENTIALS;
  head->cmsg_len = CMSG_LEN(sizeof sender);
  std::memcpy(CMSG_DATA(head), &sender, sizeof sender);
  if (descriptor >= 0) {
    head = CMSG_NXTHDR(&message, head);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

// Waits until all that was sent before was read: whoever reads this message closes what comes with it (sd_notify_barrier(3)).
int barrier(const ucred& sender, int socket) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  const unique_fd heard(ends[0]);
  unique_fd held(ends[1]);
  const int result = send_as(sender, socket, "BARRIER=1", held.get());
  if (result < 0) return result;
  held.reset();
  pollfd end{heard.get(), 0, 0};
  int found = 0;
  do found = poll(&end, 1, kBarrierSeconds * 1000);
  while (found < 0 && errno == EINTR);
  if (found < 0) return -errno;
  return found == 0 ? -ETIMEDOUT : 0;
}

void interrupt(int) {}

// SIGALRM comes again and again while messages are read. There is no room for descriptors that come with one, so the kernel closes them
// here, and the last close of a socket may wait for its peer as long as the container likes (SO_LINGER), unless a signal comes. Descriptors
// can't be refused (SO_PASSRIGHTS): a program's own barrier would fail with EPERM.
void set_clock(int microseconds) {
  const timeval every{0, microseconds};
  const itimerval clock{every, every};
  if (setitimer(ITIMER_REAL, &clock, nullptr) < 0) fail("set a clock", -errno);
}

// Whether READY=1 is among the next messages that have come; never waits for one.
bool has_come(int socket, int most) {
  char message[kMostMessage];
  bool is_ready = false;
  set_clock(kClockMicroseconds);
  for (int count = 0; count < most && !is_ready; ++count) {
    const ssize_t size = recv(socket, message, sizeof message, MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) break;
    is_ready = tells_ready(std::string_view(message, static_cast<size_t>(size)));
  }
  set_clock(0);
  return is_ready;
}

bool has_ended(int process) {
  pollfd end{process, POLLIN, 0};
  return poll(&end, 1, 0) > 0;
}

// Waits for READY=1; once that was told it reads on, so that no program waits at its own barrier. False when the process, or the runtime,
// has ended.
bool await_ready(int socket, int process, bool is_told) {
  pollfd waited[] = {{socket, POLLIN, 0}, {process, POLLIN, 0}, {kInput, POLLIN, 0}};
  for (;;) {
    if (poll(waited, 3, -1) < 0) {
      if (errno == EINTR) continue;
      fail("wait for READY=1", -errno);
    }
    // the runtime's pid, from which messages come, may be another process's by now
    if (waited[2].revents != 0) return false;
    const bool is_over = waited[1].revents != 0;
    if (has_come(socket, is_over ? kMostAtEnd : kMostAtOnce) && !is_told) return true;
    if (is_over) return false;
  }
}

}  // namespace

void notify_main(const char* path, const char* host, const char* pid, const char* main_pid) {
  // when the runtime has ended the parent is another process
  const ucred runtime{getppid(), getuid(), getgid()};
  prctl(PR_SET_NAME, kNotifyName);
  struct sigaction action {};
  action.sa_handler = interrupt;
  if (sigaction(SIGALRM, &action, nullptr) < 0) fail("handle SIGALRM", -errno);
  unique_fd socket, caller;
  const unique_fd process(sys_pidfd_open(static_cast<pid_t>(std::strtol(pid, nullptr, 10))));
  if (!process) fail(std::string("open the process ") + pid, process.get());
  int result = connected_to(host, caller);
  if (result < 0) fail(std::string("connect to NOTIFY_SOCKET ") + host, result);
  result = bound_at(path, socket);
  if (result < 0) fail(std::string("bind ") + path, result);
  if (write(kOutput, "0", 1) != 1) _exit(1);
  if (!await_ready(socket.get(), process.get(), false)) _exit(0);
  const bool is_runtime_main = std::strcmp(pid, main_pid) != 0;
  result = send_as(runtime, caller.get(), "READY=1\n", -1);
  // the pid of a process that has ended may be another one's
  if (result == 0 && (is_runtime_main || !has_ended(process.get())))
    result = send_as(runtime, caller.get(), std::string("MAINPID=") + main_pid + "\n", -1);
  if (result == 0) result = barrier(runtime, caller.get());
  if (result < 0) fail(std::string("tell NOTIFY_SOCKET ") + host, result);
  if (is_runtime_main) static_cast<void>(await_ready(socket.get(), process.get(), true));
  _exit(0);
}

}  // namespace nacelle
