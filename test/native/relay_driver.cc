#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "../../addon/shim/kernel/packet.h"
#include "../../addon/shim/modes/beside.h"
#include "../../addon/shim/modes/relay.h"
#include "../../addon/shim/relay/relay_filter.h"
#include "../../addon/shim/relay/relay_request.h"

// The process that connects, as the shim would start it, and a relay that asks for what it should not. For tests.
//
//   relay_driver SHIM      reads lines 'SOCKET ADDRESS PORT', and writes for each the result of the dial, and that of the connection
//
//   relay_driver           writes, for each way to send, the signal by which a relay that tries that is killed, or 0
//
// Socket 1 may go to 127.0.0.1:PORT of the first line, and socket 2 to ::1 at that port.
namespace {

using namespace nacelle;
using namespace nacelle::relay;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

void ask(int control, const Request& request, int fd = -1) {
  const std::string bytes = bytes_of(request);
  const bool sent = send_packet<1>(control, bytes.data(), bytes.size(), &fd, fd < 0 ? 0 : 1) == 0;
  RequestAnswer answer;
  if (!sent || recv(control, &answer, sizeof answer, 0) != sizeof answer || answer.result != 0) fail("request");
}

int connected(int fd) {
  pollfd ready{fd, POLLOUT, 0};
  int error = 0;
  socklen_t size = sizeof error;
  if (poll(&ready, 1, -1) < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) fail("poll");
  return -error;
}

void dial(int peer, const Dial& wanted) {
  const std::string bytes = bytes_of(wanted);
  if (send(peer, bytes.data(), bytes.size(), 0) < 0) fail("send");
  DialAnswer answer;
  const Packet<1> packet = receive_packet(peer, &answer, sizeof answer, 0);
  if (packet.size != sizeof answer || answer.stream != wanted.stream) fail("answer");
  const unique_fd& socket = packet.fds[0];
  std::printf("%d %d\n", answer.result, socket ? connected(socket.get()) : 1);
}

// A process that is confined as the relay is, and sends with these flags.
int signal_of(bool is_message, int flags) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) fail("socketpair");
  const unique_fd ours(pair[0]), theirs(pair[1]);
  const pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    char byte = 'x';
    iovec part{&byte, 1};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (confine_relay(kRelayName) < 0) _exit(1);
    const ssize_t sent = is_message ? sendmsg(ours.get(), &header, flags | MSG_NOSIGNAL) : send(ours.get(), &byte, 1, flags | MSG_NOSIGNAL);
    _exit(sent == 1 ? 0 : 1);
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || (WIFEXITED(status) && WEXITSTATUS(status) != 0)) fail("confined");
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int try_flags() {
  for (const bool is_message : {false, true}) {
    for (const int flags : {0, static_cast<int>(MSG_FASTOPEN)}) std::printf("%d\n", signal_of(is_message, flags));
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 1) return try_flags();
  const unique_fd shim(open(arguments[1], O_PATH | O_CLOEXEC));
  const char* const argv[] = {kConnectorName, nullptr};
  unique_fd control;
  if (start_beside(shim.get(), nullptr, 0, argv, control) < 0) fail("start");
  RequestAnswer ready;
  if (recv(control.get(), &ready, sizeof ready, 0) != sizeof ready || ready.result != 0) fail("ready");
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) fail("socketpair");
  const unique_fd peer(pair[0]);
  unique_fd theirs(pair[1]);
  ask(control.get(), {RequestKind::kPeer, 0, 0, {}, false, false, {}}, theirs.get());
  theirs.reset();
  unsigned long socket = 0;
  char address[64];
  unsigned port = 0;
  for (uint64_t stream = 1; std::scanf("%lu %63s %u", &socket, address, &port) == 3; ++stream) {
    Dial wanted{stream, socket, {}, {}};
    if (!parse_endpoint(address, static_cast<uint16_t>(port), wanted.to)) fail("address");
    if (stream == 1) {
      Endpoint four, six;
      if (!parse_endpoint("127.0.0.1", wanted.to.port, four) || !parse_endpoint("::1", wanted.to.port, six)) fail("address");
      ask(control.get(), {RequestKind::kAllow, 1, 0, {four}, false, false, {}});
      ask(control.get(), {RequestKind::kAllow, 2, 0, {six}, false, false, {}});
      ask(control.get(), {RequestKind::kAllow, 3, 0, {four}, false, false, {}});
      ask(control.get(), {RequestKind::kStop, 3, 0, {}, false, false, {}});
    }
    dial(peer.get(), wanted);
  }
  return 0;
}
