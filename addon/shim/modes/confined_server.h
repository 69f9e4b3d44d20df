#pragma once

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

// What the modes have in common that serve containers in a process of their own, as the shim asks (names.h, relay.h).
namespace nacelle {

// How many of a thing there may be at a time, `most` at the most, where each takes its part of the descriptors that the process may have:
// its own ones, and those for what is served or on its way.
inline size_t share_of_files(size_t most, size_t part) {
  struct rlimit files {};
  if (getrlimit(RLIMIT_NOFILE, &files) < 0) return 1;
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) return 1;
  return std::clamp<rlim_t>(files.rlim_cur / part, 1, most);
}

// Serves when it has been confined. The shim first hears whether it stands ready, by an Answer that no request has asked for.
template <typename Answer, typename Server, typename Open>
[[noreturn]] void serve_confined(int control, Server& server, const Open& open, int (*confine)(const char*), const char* name) {
  if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) _exit(1);
  Answer ready;
  ready.result = open();
  if (ready.result == 0) ready.result = confine(name);
  if (send(control, &ready, sizeof ready, MSG_NOSIGNAL) < 0) _exit(1);
  const int result = ready.result == 0 ? server.run() : ready.result;
  _exit(result < 0 ? 1 : 0);
}

}  // namespace nacelle
