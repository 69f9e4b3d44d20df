#include "launch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>
#include <utility>
#include <vector>

#include "own_sockets.h"
#include "shim/kernel/memfd.h"
#include "shim/kernel/packet.h"
#include "shim/kernel/spawn_shim.h"
#include "shim/kernel/syscalls.h"
#include "shim/wire/mapping.h"
#include "shim/wire/protocol.h"

namespace nacelle {
namespace {

#ifndef MFD_EXEC
constexpr unsigned MFD_EXEC = 0x10;
#endif

struct Shim {
  std::mutex mutex;
  unique_fd control;
  std::string owner;
  pid_t pid = 0;
  bool is_expected = false;  // somebody has asked for it to be started ahead
  bool is_doubted = false;   // one of its connections has ended
};

Shim& the_shim() {
  // never destroyed: environments may still end while the process does
  static auto* shim = new Shim;
  return *shim;
}

int copy_all(int from, int to) {
  struct stat status {};
  if (fstat(from, &status) < 0) return -errno;
  for (off_t done = 0; done < status.st_size;) {
    if (sendfile(to, from, &done, static_cast<size_t>(status.st_size - done)) <= 0) return errno == 0 ? -EIO : -errno;
  }
  return 0;
}

// Copies the file to a file system of its own, which is attached nowhere and then made read-only. -EPERM without the rights of root.
int copy_on_own_mount(int source, unique_fd& out) {
  constexpr char kName[] = "nacelle-shim";
  constexpr uint64_t kReadOnly = 0x1, kNoSuid = 0x2, kNoDevices = 0x4;  // MOUNT_ATTR_*
  const unique_fd fs(sys_fsopen("tmpfs"));
  if (!fs) return fs.get();
  int result = sys_fsconfig(fs.get(), kCreate, nullptr, nullptr, 0);
  if (result < 0) return result;
  const unique_fd mount(sys_fsmount(fs.get(), 0));
  if (!mount) return mount.get();
  unique_fd copy(openat(mount.get(), kName, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!copy) return -errno;
  result = copy_all(source, copy.get());
  // the file is executed in containers too: a process that may not read it is not dumpable from the first instruction on (modes/init.cc)
  if (result == 0 && fchmod(copy.get(), 0111) < 0) result = -errno;
  copy.reset();
  MountAttributes attributes;
  attributes.set = kReadOnly | kNoSuid | kNoDevices;
  if (result == 0) result = sys_mount_setattr(mount.get(), "", AT_EMPTY_PATH, attributes);
  if (result == 0) result = opened(checked_int(openat(mount.get(), kName, O_PATH | O_CLOEXEC)), out);
  return result;
}

// Copies the file to a sealed memfd. Its owner may still change who may read it, and before Linux 6.3 also who may execute it.
int copy_as_memfd(int source, unique_fd& out) {
  unique_fd copy(memfd_create("nacelle-shim", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  if (!copy && errno == EINVAL) copy.reset(memfd_create("nacelle-shim", MFD_CLOEXEC | MFD_ALLOW_SEALING));  // before Linux 6.3
  if (!copy) return -errno;
  int result = copy_all(source, copy.get());
  // as above; a shim that may not read its own file makes itself dumpable (shim/main.cc)
  if (result == 0 && fchmod(copy.get(), 0111) < 0) result = -errno;
  if (result == 0) result = seal_executable(copy.get());
  if (result == 0) out = std::move(copy);
  return result;
}

// The copy on a mount of its own that this process has made, for all shims that it starts: they share its pages in memory. Nobody can
// change the file or its mode. The owner of a memfd may change the mode, so each shim has a memfd of its own.
struct SharedCopy {
  std::mutex mutex;
  unique_fd file;
  struct stat of {};  // the file that was copied
};

SharedCopy& the_copy() {
  static auto* copy = new SharedCopy;  // never destroyed, as the_shim()
  return *copy;
}

bool is_same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino && one.st_size == other.st_size &&
         one.st_mtim.tv_sec == other.st_mtim.tv_sec && one.st_mtim.tv_nsec == other.st_mtim.tv_nsec &&
         one.st_ctim.tv_sec == other.st_ctim.tv_sec && one.st_ctim.tv_nsec == other.st_ctim.tv_nsec;
}

// Whether a change from now on will show in the file's times, which are those of a clock that ticks some hundred times a second.
bool is_settled(const struct stat& file) {
  constexpr long kTick = 20'000'000;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const long apart = now.tv_nsec - file.st_ctim.tv_nsec;
  return now.tv_sec - file.st_ctim.tv_sec > 1 || (now.tv_sec - file.st_ctim.tv_sec) * 1'000'000'000L + apart > kTick;
}

int share_copy(int source, unique_fd& out) {
  struct stat now {};
  if (fstat(source, &now) < 0) return -errno;
  SharedCopy& shared = the_copy();
  const std::lock_guard<std::mutex> guard(shared.mutex);
  if (!shared.file || !is_same_file(shared.of, now)) {
    shared.file.reset();
    const int result = copy_on_own_mount(source, shared.file);
    if (result < 0) return result;
    struct stat after {};
    if (fstat(source, &after) < 0) return -errno;
    // of a file that changes meanwhile the next shim has another copy
    shared.of = is_same_file(now, after) && is_settled(now) ? now : decltype(now){};
  }
  return opened(checked_int(fcntl(shared.file.get(), F_DUPFD_CLOEXEC, 3)), out);
}

int make_pair(unique_fd& ours, unique_fd& theirs) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
  ours.reset(pair[0]);
  theirs.reset(pair[1]);
  return 0;
}

ssize_t receive_whole(int socket, void* data, size_t size) {
  ssize_t got;
  do {
    got = recv(socket, data, size, 0);
  } while (got < 0 && errno == EINTR);
  return got;
}

// How a shim is started (shim/main.cc).
struct Start {
  std::string runtime_dir;
  std::string owner;
  bool is_detached = false;
  bool is_mapped = false;
  int joined = -1;
};

int spawn(int executable, int control, const Start& start, pid_t& pid) {
  std::vector<std::string> arguments{start.is_mapped ? kMappedName : "nacelle-shim", start.runtime_dir, start.owner};
  if (start.is_detached) arguments.emplace_back("detached");
  if (start.is_mapped) arguments.emplace_back(kMappedArgument);
  if (start.joined >= 0) arguments.emplace_back(kJoinsArgument);
  return spawn_shim(executable, control, start.joined, std::move(arguments), pid);
}

std::string random_name() {
  unsigned char bytes[8];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return {};
  char text[2 * sizeof bytes + 1];
  for (size_t i = 0; i < sizeof bytes; ++i) std::snprintf(text + 2 * i, 3, "%02x", bytes[i]);
  return text;
}

// Reaps the former shim, a child of this process. It has closed its end of the socket, so it is about to end; if it still runs after a
// second, it has other tasks and is not waited for.
void reap(Shim& shim) {
  const pid_t pid = std::exchange(shim.pid, 0);
  for (int tries = 0; pid > 0 && tries < 1000 && waitpid(pid, nullptr, WNOHANG) == 0; ++tries) usleep(1000);
}

// Starts a process of the shim, with the other end of `control`.
int spawn_copy(const std::string& shim, const Start& how, unique_fd& control, pid_t& pid, std::string& what) {
  what = "copy the shim " + shim;
  unique_fd executable;
  int result = copy_shim(shim, executable);
  if (result < 0) return result;
  what = "start the shim";
  unique_fd theirs;
  result = make_pair(control, theirs);
  return result < 0 ? result : spawn(executable.get(), theirs.get(), how, pid);
}

// 0, or -errno: what the shim tells once it serves, or can't. -ETIMEDOUT where the socket has a time limit, and that is over.
int wait_until_serving(int control) {
  int answer = -EPIPE;
  const ssize_t size = receive_whole(control, &answer, sizeof answer);
  if (size < 0 && errno == EAGAIN) return -ETIMEDOUT;
  return size == sizeof answer ? answer : -EPIPE;
}

// Starts a shim, and waits until it serves. `pid`: the child to reap, which has ended already for a detached shim.
int start_one(const Launch& launch, const std::string& owner, bool detached, unique_fd& control, pid_t& pid, std::string& what) {
  unique_fd ours;
  int result = spawn_copy(launch.shim, {launch.runtime_dir, owner, detached}, ours, pid, what);
  if (result < 0) return result;
  what = "make an owner's file below " + launch.runtime_dir;
  result = wait_until_serving(ours.get());
  if (detached || result < 0) {
    waitpid(pid, nullptr, 0);
    pid = 0;
  }
  if (result == 0) control = std::move(ours);
  return result;
}

int start(Shim& shim, const Launch& launch, std::string& what) {
  if (shim.control) forget_own_socket(shim.control.get());
  shim.control.reset();
  shim.is_doubted = false;
  reap(shim);
  shim.owner = random_name();
  if (shim.owner.empty()) return -EAGAIN;
  const int result = start_one(launch, shim.owner, false, shim.control, shim.pid, what);
  if (result == 0) note_own_socket(shim.control.get());
  return result;
}

int send_client(int control, int fd) {
  const Header header{kProtocolVersion, 0, 0, 0, 0};
  return send_packet<1>(control, &header, sizeof header, &fd, 1);
}

int add_client(int control, unique_fd& socket, std::string& what) {
  unique_fd ours, theirs;
  what = "make a socket";
  int result = make_pair(ours, theirs);
  if (result == 0) result = send_client(control, theirs.get());
  if (result == 0) socket = std::move(ours);
  return result;
}

// Whether a shim takes what a new client sends. One that is about to be gone never answers: the kernel lets go of a dead process's
// sockets one after the other, and the one that brings clients may be the last: then the socket hangs up. A shim that says nothing counts
// as serving, whether it is stopped or has much to do, and its answer is one that nobody asked for.
bool serves(int socket) {
  // in ms. Node's event loop stands still meanwhile: a shim that lives answers in less than 1 ms, and a dead one hangs up as fast
  constexpr int kPatience = 100;
  const Header hello{kProtocolVersion, static_cast<uint16_t>(Request::kHello), 0, 0, 0};
  if (send_packet<1>(socket, &hello, sizeof hello, nullptr, 0) < 0) return false;
  pollfd answer{socket, POLLIN, 0};
  int ready;
  do {
    ready = poll(&answer, 1, kPatience);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return true;
  Header header;
  return receive_whole(socket, &header, sizeof header) > 0;
}

}  // namespace

// Copies the executable to where nobody can write to it or change its mode, so that a container that opens /proc/PID/exe can change nothing
// (CVE-2019-5736).
int copy_shim(const std::string& path, unique_fd& out) {
  const unique_fd source(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source) return -errno;
  const int result = geteuid() == 0 ? share_copy(source.get(), out) : -EPERM;
  // this process may be root of a container without CAP_SYS_ADMIN, or under a filter that refuses these calls
  return result == -EPERM || result == -ENOSYS ? copy_as_memfd(source.get(), out) : result;
}

int connect_to_shim(const Launch& launch, unique_fd& socket, std::string& what, std::string& owner, int& pid) {
  Shim& shim = the_shim();
  const std::lock_guard<std::mutex> guard(shim.mutex);
  int result = shim.control ? add_client(shim.control.get(), socket, what) : -EPIPE;
  if (result == 0 && shim.is_doubted && !serves(socket.get())) result = -EPIPE;
  if (result == -EPIPE || result == -ECONNRESET) {
    result = start(shim, launch, what);
    if (result == 0) result = add_client(shim.control.get(), socket, what);
  }
  if (result < 0) return result;
  shim.is_doubted = false;
  owner = shim.owner;
  pid = shim.pid;
  return 0;
}

void doubt_shim(const std::string& owner) {
  Shim& shim = the_shim();
  const std::lock_guard<std::mutex> guard(shim.mutex);
  if (shim.owner == owner) shim.is_doubted = true;
}

void expect_shim() {
  Shim& shim = the_shim();
  const std::lock_guard<std::mutex> guard(shim.mutex);
  shim.is_expected = true;
}

void start_shim_ahead(const Launch& launch) {
  Shim& shim = the_shim();
  const std::lock_guard<std::mutex> guard(shim.mutex);
  std::string what;
  if (shim.is_expected && !shim.control) static_cast<void>(start(shim, launch, what));
}

void end_shim() {
  Shim& shim = the_shim();
  const std::lock_guard<std::mutex> guard(shim.mutex);
  shim.is_expected = false;
  if (!shim.control) return;
  forget_own_socket(shim.control.get());
  shim.control.reset();
  const pid_t pid = std::exchange(shim.pid, 0);
  if (pid > 0) waitpid(pid, nullptr, 0);
}

int launch_detached_shim(const Launch& launch, const std::string& owner, unique_fd& socket, std::string& what) {
  unique_fd control;
  pid_t pid = 0;
  const int result = start_one(launch, owner, true, control, pid, what);
  // without the control socket, which is closed now, the shim ends with its last task and client
  return result < 0 ? result : add_client(control.get(), socket, what);
}

int launch_mapped_shim(const Launch& launch, const std::string& detached, int joined, MappedShim& shim, std::string& what) {
  shim.is_detached = !detached.empty();
  shim.owner = shim.is_detached ? detached : random_name();
  if (shim.owner.empty()) return -EAGAIN;
  pid_t child = 0;
  int result = spawn_copy(launch.shim, {launch.runtime_dir, shim.owner, shim.is_detached, true, joined}, shim.control, child, what);
  if (result < 0) return result;
  what = joined < 0 ? "make a user namespace" : "enter the user namespace of this user's containers";
  MappedAnswer answer;
  const ssize_t size = receive_whole(shim.control.get(), &answer, sizeof answer);
  // it only started the shim
  waitpid(child, nullptr, 0);
  if (size != sizeof answer) return -EPIPE;
  shim.pid = answer.pid;
  return answer.result;
}

int go_on_mapped(MappedShim& shim, const Launch& launch, unique_fd& socket, std::string& what) {
  what = "become root of the user namespace, and make an owner's file below " + launch.runtime_dir;
  const char go = 1;
  if (send(shim.control.get(), &go, sizeof go, MSG_NOSIGNAL) < 0) return -errno;
  int result = wait_until_serving(shim.control.get());
  if (result == 0) result = add_client(shim.control.get(), socket, what);
  if (result == 0 && shim.is_detached) shim.control.reset();
  return result;
}

int connect_by_control(int control, unique_fd& socket, std::string& what) {
  // whoever starts the shim may stop it, and this is the only thread of a process that serves others too
  constexpr timeval kPatience{5, 0};
  what = "wait for the shim";
  if (setsockopt(control, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience) < 0) return -errno;
  const int result = wait_until_serving(control);
  return result < 0 ? result : add_client(control, socket, what);
}

int connect_to_path(const std::string& folder, unique_fd& socket, std::string& what) {
  what = "connect to the shim in " + folder;
  const unique_fd place(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!place) return -errno;
  unique_fd ours(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!ours) return -errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // the path itself may be longer than an address takes
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/shim.sock", place.get());
  // a shim that doesn't accept must not keep the caller waiting
  if (fcntl(ours.get(), F_SETFL, O_NONBLOCK) < 0) return -errno;
  if (connect(ours.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return -errno;
  socket = std::move(ours);
  return 0;
}

}  // namespace nacelle
