#include "names.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "../names/confine.h"
#include "../names/request.h"
#include "../names/server.h"

namespace nacelle {
namespace {

// How many queries, and how many connections, there may be at a time. Half of the descriptors are for the sockets that are served; a query
// has up to three.
size_t bound() {
  constexpr rlim_t kMost = 1024, kPart = 8;
  struct rlimit files {};
  if (getrlimit(RLIMIT_NOFILE, &files) < 0) return 1;
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) return 1;
  return std::clamp<rlim_t>(files.rlim_cur / kPart, 1, kMost);
}

void tell(int result) {
  names::RequestAnswer answer;
  answer.result = result;
  if (send(kNamesControl, &answer, sizeof answer, MSG_NOSIGNAL) < 0) _exit(1);
}

}  // namespace

void names_main(const char* resolv_conf) {
  if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) _exit(1);
  static names::Server server(kNamesControl, resolv_conf, bound());
  int result = server.open(kNamesFolder);
  if (result == 0) result = names::confine(kNamesName);
  tell(result);
  if (result == 0) result = server.run();
  _exit(result < 0 ? 1 : 0);
}

}  // namespace nacelle
