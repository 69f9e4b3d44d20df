#include "resident_peer.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string_view>
#include <utility>

#include "own_file.h"
#include "resident.h"

namespace nacelle {
namespace {

// How long a planner may take to begin; then a planner of its own does the command.
constexpr timeval kPatience{5, 0};
constexpr const char* kNamespaces[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};

bool is_same_file(const std::string& one, const std::string& other) {
  struct stat first {
  }, second{};
  if (stat(one.c_str(), &first) < 0 || stat(other.c_str(), &second) < 0) return false;
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// A namespace that the kernel does not have is nobody's.
bool is_same_namespace(const std::string& theirs, const char* name) {
  const std::string own = std::string("/proc/self/ns/") + name;
  struct stat status {};
  if (stat(own.c_str(), &status) < 0) return errno == ENOENT;
  return is_same_file(own, theirs + "/ns/" + name);
}

// Of what is in /proc of the process that listens. Whoever takes that number later has no socket that is connected to this process.
bool is_trusted(pid_t pid, const std::string& node) {
  const std::string process = "/proc/" + std::to_string(pid);
  if (!is_same_file(process + "/exe", node) || !is_same_file(process + "/root/.", "/proc/self/root/.")) return false;
  for (const char* name : kNamespaces) {
    if (!is_same_namespace(process, name)) return false;
  }
  return true;
}

}  // namespace

int connect_to_resident(int root, const std::string& node, unique_fd& socket) {
  if (!is_own(root, S_IFDIR)) return -EPERM;
  // a link is not followed, and what was looked at is what is connected to
  const unique_fd place(openat(root, kResidentSocket, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!place) return -errno;
  if (!is_own(place.get(), S_IFSOCK)) return -EPERM;
  unique_fd ours(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!ours) return -errno;
  // connect(2) waits as long as a send where too many others wait already for one that does not accept
  if (setsockopt(ours.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience) < 0) return -errno;
  if (setsockopt(ours.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience) < 0) return -errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", place.get());
  if (connect(ours.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return -errno;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(ours.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return -errno;
  if (peer.uid != geteuid() || peer.pid <= 0 || !is_trusted(peer.pid, node)) return -EPERM;
  socket = std::move(ours);
  return 0;
}

}  // namespace nacelle
