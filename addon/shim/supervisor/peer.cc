#include "peer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <initializer_list>

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

}  // namespace

bool is_own_kind(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != geteuid() || peer.pid <= 0) return false;
  int fd = -1;
  size = sizeof fd;
  // without this descriptor the number could be another process's by now; before Linux 6.5 there is none
  const unique_fd process(getsockopt(socket, SOL_SOCKET, kSoPeerPidfd, &fd, &size) < 0 ? -1 : fd);
  for (const char* type : {"user", "mnt", "pid"}) {
    if (!is_same_namespace(peer.pid, type)) return false;
  }
  pollfd ended{process.get(), POLLIN, 0};
  return poll(&ended, 1, 0) == 0;
}

}  // namespace nacelle
