#include "resident.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "../kernel/file_io.h"
#include "../kernel/packet.h"
#include "../kernel/spawn_shim.h"
#include "../kernel/syscalls.h"
#include "../wire/protocol.h"
#include "planned_input.h"
#include "resident_peer.h"
#include "resident_start.h"

namespace nacelle {
namespace {

constexpr size_t kMostFds = 200;
constexpr int kMostFdNumber = 4096;
constexpr mode_t kUsualMask = 022;

using Answer = Packet<2>;

void add(std::string& body, std::string_view text) { body.append(text).push_back('\0'); }

// Takes the string that comes next. False where none ends.
bool take(std::string_view& body, std::string& text) {
  const size_t end = body.find('\0');
  if (end == std::string_view::npos) return false;
  text = body.substr(0, end);
  body.remove_prefix(end + 1);
  return true;
}

// Which file it is, as lib/runtime-cli/resident/package-files.ts has it; empty where it can't be looked at.
std::string identity(const char* path) {
  struct stat status {};
  if (stat(path, &status) < 0) return {};
  char text[96];
  std::snprintf(text, sizeof text, "%llu:%llu:%lld.%09ld", static_cast<unsigned long long>(status.st_dev),
                static_cast<unsigned long long>(status.st_ino), static_cast<long long>(status.st_mtim.tv_sec), status.st_mtim.tv_nsec);
  return text;
}

// The descriptors that the caller has left open for this process, whose own are close-on-exec. False when they are too many, or a standard
// stream is missing.
bool inherited_fds(std::vector<int>& fds) {
  Folder folder(unique_fd(open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!folder.opened()) return false;
  int standard = 0;
  while (const char* name = folder.next()) {
    const int fd = std::atoi(name);
    const int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) != 0) continue;
    if (fds.size() == kMostFds || fd > kMostFdNumber) return false;
    fds.push_back(fd);
    if (fd < 3) ++standard;
  }
  return standard == 3;
}

bool has_usual_mask() {
  const mode_t mask = umask(kUsualMask);
  umask(mask);
  return mask == kUsualMask;
}

int send_message(int socket, ResidentMessage type, const std::string& body = {}, const std::vector<int>& fds = {}) {
  const Header header{kProtocolVersion, static_cast<uint16_t>(type), 0, static_cast<uint32_t>(body.size()), 0};
  iovec parts[] = {{const_cast<Header*>(&header), sizeof header}, {const_cast<char*>(body.data()), body.size()}};
  return send_packet<kMaxDescriptors>(socket, parts, body.empty() ? 1 : 2, fds.data(), fds.size());
}

// Whoever is told that a container is ready (sd_notify(3)) may hear of it by this process alone, or by its children.
bool notifies(const PlannedCall& call) {
  const char* address = std::getenv("NOTIFY_SOCKET");
  return call.command == "run" && address != nullptr && address[0] != '\0';
}

// Waits for a message. False at the end of the connection, and for what is none.
bool receive(int socket, Answer& packet, ResidentMessage& type, std::string& body) {
  static char bytes[sizeof(Header) + kInlineBody];
  packet = receive_packet<2>(socket, bytes, sizeof bytes, 0);
  // a planner that ends the connection with a message of this process unread may have said something before
  if (packet.size == -ECONNRESET) packet = receive_packet<2>(socket, bytes, sizeof bytes, 0);
  Header header{};
  if (packet.size < static_cast<ssize_t>(sizeof header) || packet.is_cut || packet.lacks_fds) return false;
  std::memcpy(&header, bytes, sizeof header);
  if (header.flags != 0 || header.size != static_cast<size_t>(packet.size) - sizeof header) return false;
  type = static_cast<ResidentMessage>(header.type);
  body.assign(bytes + sizeof header, header.size);
  return true;
}

// A command takes as long as it takes, once the planner has answered.
bool wait_for_ever(int socket) {
  constexpr timeval kForEver{0, 0};
  return setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &kForEver, sizeof kForEver) == 0 &&
         setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &kForEver, sizeof kForEver) == 0;
}

// What is asked; false when it is more than one message takes.
bool ask(int socket, const FrontFile& file, int argc, char** argv) {
  std::vector<int> fds;
  char folder[PATH_MAX];
  if (!inherited_fds(fds) || getcwd(folder, sizeof folder) == nullptr || folder[0] != '/') return false;
  const std::string shim = identity("/proc/self/exe"), script = identity(file.script.c_str());
  if (shim.empty() || script.empty()) return false;
  std::string body, numbers;
  for (const int fd : fds) numbers += (numbers.empty() ? "" : " ") + std::to_string(fd);
  add(body, shim + ' ' + script);
  add(body, folder);
  add(body, numbers);
  add(body, std::to_string(argc));
  for (int at = 0; at < argc; ++at) add(body, argv[at]);
  for (char** at = environ; *at != nullptr; ++at) add(body, *at);
  return body.size() <= kInlineBody && send_message(socket, ResidentMessage::kAsk, body, fds) == 0;
}

// The shim of this command, a child of this process. It ends when the planner lets go of it.
class OwnShim {
 public:
  int start(const Answer& packet, std::string_view body) {
    std::string folder, owner;
    if (pid_ > 0 || packet.count != 2 || !take(body, folder) || !take(body, owner) || !body.empty()) return -EPROTO;
    return spawn_shim(packet.fds[0].get(), packet.fds[1].get(), -1, {"nacelle-shim", folder, owner}, pid_);
  }
  void wait() {
    while (pid_ > 0 && waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
};

// The signals that come to this process and are for a program: none before the planner asks for them.
class ProgramSignals {
 public:
  int take_over(std::string_view numbers) {
    sigset_t wanted;
    sigemptyset(&wanted);
    std::string number;
    while (take(numbers, number)) {
      if (sigaddset(&wanted, std::atoi(number.c_str())) < 0) return -errno;
    }
    if (sigprocmask(SIG_BLOCK, &wanted, nullptr) < 0) return -errno;
    return opened(checked_int(signalfd(-1, &wanted, SFD_CLOEXEC)), come_);
  }
  // -1, for which poll(2) does not wait, while there are none.
  int fd() const { return come_.get(); }
  int send_next(int socket) {
    signalfd_siginfo info{};
    if (read(come_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return -EIO;
    std::string body;
    add(body, std::to_string(info.ssi_signo));
    return send_message(socket, ResidentMessage::kSignal, body);
  }

 private:
  unique_fd come_;
};

// Serves the planner until the command is done. -1: it has gone, or said what can't be understood.
int serve(int socket, OwnShim& shim) {
  Answer packet;
  ResidentMessage type{};
  std::string body;
  ProgramSignals signals;
  for (;;) {
    pollfd ready[] = {{socket, POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    if (poll(ready, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    if (ready[0].revents == 0) {
      // a planner that hears of no more signals has the answer on its way, or has gone
      static_cast<void>(signals.send_next(socket));
      continue;
    }
    if (!receive(socket, packet, type, body)) return -1;
    if (type == ResidentMessage::kForward) {
      if (signals.take_over(body) < 0) return -1;
      // where this fails the planner has the answer on its way, or has gone
      static_cast<void>(send_message(socket, ResidentMessage::kHears));
      continue;
    }
    if (type == ResidentMessage::kWait) {
      shim.wait();
      if (send_message(socket, ResidentMessage::kEnded) < 0) return -1;
      continue;
    }
    if (type == ResidentMessage::kSpawn) {
      if (shim.start(packet, body) < 0) return -1;
      packet = Answer();
      if (send_message(socket, ResidentMessage::kGo) < 0) return -1;
      continue;
    }
    std::string_view left = body;
    std::string status, told;
    if (type != ResidentMessage::kDone || !take(left, status) || !take(left, told)) return -1;
    static_cast<void>(write_all(STDERR_FILENO, told.data(), told.size()));
    return std::atoi(status.c_str());
  }
}

bool is_absent(int connected) { return connected == -ENOENT || connected == -ECONNREFUSED; }

int connect_in(const std::string& path, const std::string& node, unique_fd& socket) {
  const unique_fd root(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return root ? connect_to_resident(root.get(), node, socket) : -errno;
}

}  // namespace

void begin_resident(const FrontFile& file, const std::string& root) {
  unique_fd socket;
  if (is_absent(connect_in(root, file.node, socket))) start_resident(file, root);
}

bool ask_resident(const FrontFile& file, const PlannedCall& call, int argc, char** argv, int& exit_status) {
  // files that the planner writes have the mode that the caller asks for
  if (!has_usual_mask() || notifies(call)) return false;
  unique_fd socket;
  const int connected = connect_in(call.root, file.node, socket);
  if (is_absent(connected)) start_resident(file, call.root);
  if (connected < 0) return false;
  const PlannedInput input = prepare_input(call, argc, argv);
  exit_status = call.command == "exec" ? 255 : 1;
  if (input != PlannedInput::kReady) return input == PlannedInput::kFailed;
  if (!ask(socket.get(), file, argc, argv)) return false;
  Answer packet;
  ResidentMessage type{};
  std::string body;
  if (!receive(socket.get(), packet, type, body) || type != ResidentMessage::kSpawn) return false;
  if (!wait_for_ever(socket.get())) return false;
  OwnShim shim;
  if (shim.start(packet, body) < 0) return false;
  // the other end of the control socket is the shim's alone: where the shim dies the planner hears of that
  packet = Answer();
  // The planner waits for the shim on its only thread. So it asks for it when there is one, which this process does not keep from serving.
  if (send_message(socket.get(), ResidentMessage::kGo) < 0) {
    // the planner has gone, or lets go of the shim when it sees that this process has: nothing was made
    socket.reset();
    shim.wait();
    return false;
  }
  // from here on the planner may have begun
  const int status = serve(socket.get(), shim);
  socket.reset();
  shim.wait();
  if (status < 0) std::fprintf(stderr, "nacelle-oci: the planner has ended before the command\n");
  if (status >= 0) exit_status = status;
  return true;
}

}  // namespace nacelle
