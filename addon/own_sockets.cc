#include "own_sockets.h"

#include <sys/stat.h>

#include <mutex>
#include <set>

namespace nacelle {
namespace {

// The sockets of all environments of the process. No other socket has the same inode while one is open.
struct Sockets {
  std::mutex mutex;
  std::set<ino_t> inodes;
};

Sockets& the_sockets() {
  // never destroyed: environments may still end while the process does
  static auto* sockets = new Sockets;
  return *sockets;
}

// 0 when the descriptor is no socket.
ino_t inode_of(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

}  // namespace

void note_own_socket(int fd) {
  Sockets& sockets = the_sockets();
  const std::lock_guard<std::mutex> guard(sockets.mutex);
  sockets.inodes.insert(inode_of(fd));
}

void forget_own_socket(int fd) {
  Sockets& sockets = the_sockets();
  const std::lock_guard<std::mutex> guard(sockets.mutex);
  sockets.inodes.erase(inode_of(fd));
}

Napi::Value IsOwnSocket(const Napi::CallbackInfo& info) {
  Sockets& sockets = the_sockets();
  const ino_t inode = inode_of(info[0].As<Napi::Number>().Int32Value());
  const std::lock_guard<std::mutex> guard(sockets.mutex);
  return Napi::Boolean::New(info.Env(), inode != 0 && sockets.inodes.count(inode) > 0);
}

}  // namespace nacelle
