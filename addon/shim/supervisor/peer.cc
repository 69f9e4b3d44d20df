#include "peer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "../kernel/syscalls.h"
#include "../kernel/unique_fd.h"

namespace nacelle {
namespace {

constexpr int kSoPeerPidfd = 77;  // SO_PEERPIDFD of Linux 6.5, which is later than the headers that this is built with

bool is_same_namespace(pid_t pid, const char* type) {
  char path[64];
  struct stat own {
  }, other{};
  std::snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, type);
  if (stat(path, &other) < 0) return false;
  std::snprintf(path, sizeof path, "/proc/self/ns/%s", type);
  return stat(path, &own) == 0 && own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

bool is_in_own_namespaces(pid_t pid) {
  for (const char* type : {"user", "mnt", "pid"}) {
    if (!is_same_namespace(pid, type)) return false;
  }
  return true;
}

// Reads a file of a process, at most 1 MiB: its groups may be many. 0 or -errno.
int read_process(pid_t pid, const char* name, std::string& text) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  const unique_fd file(open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return -errno;
  constexpr size_t kMost = 1024 * 1024;
  char bytes[4096];
  text.clear();
  for (;;) {
    const ssize_t got = read(file.get(), bytes, sizeof bytes);
    if (got < 0) return -errno;
    if (got == 0) return 0;
    text.append(bytes, static_cast<size_t>(got));
    if (text.size() > kMost) return -E2BIG;
  }
}

// Whether a process is in the pid namespace of this /proc, and in none below: "NSpid:" has a number for each.
bool has_one_number(pid_t pid) {
  constexpr char kField[] = "\nNSpid:\t";
  std::string status;
  if (read_process(pid, "status", status) < 0) return false;
  const size_t at = status.find(kField);
  if (at == std::string::npos) return false;
  const size_t end = status.find('\n', at + 1);
  return end != std::string::npos && status.find('\t', at + std::strlen(kField)) > end;
}

bool is_mapped_as(pid_t pid, const std::string& map) {
  std::string theirs;
  return read_process(pid, "uid_map", theirs) == 0 && theirs == map && has_one_number(pid);
}

// The process at the other end, as it was when it connected or made the socket. 0 or -errno.
int read_peer(int socket, ucred& peer) {
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return -errno;
  return peer.pid > 0 ? 0 : -ESRCH;
}

}  // namespace

bool is_own_kind(int socket, const std::string& map) {
  ucred peer{};
  if (read_peer(socket, peer) < 0 || peer.uid != geteuid()) return false;
  int fd = -1;
  socklen_t size = sizeof fd;
  // without this descriptor the number could be another process's by now; before Linux 6.5 there is none
  if (getsockopt(socket, SOL_SOCKET, kSoPeerPidfd, &fd, &size) < 0 && errno != ENOPROTOOPT) return false;
  const unique_fd process(fd);
  // the peers of a shim that is root of a user namespace are outside of that, but for other shims of this user
  if (!is_in_own_namespaces(peer.pid) && (map.empty() || !is_mapped_as(peer.pid, map))) return false;
  pollfd ended{process.get(), POLLIN, 0};
  return poll(&ended, 1, 0) == 0;
}

int read_peers_map(int socket, std::string& map) {
  ucred peer{};
  const int result = read_peer(socket, peer);
  return result < 0 ? result : read_process(peer.pid, "uid_map", map);
}

}  // namespace nacelle
