#pragma once

#include <sched.h>
#include <sys/wait.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "../kernel/unique_fd.h"
#include "../wire/slots.h"
#include "network_visit.h"

namespace nacelle {

// Runs `work` in a process of its own that has the memory and the descriptors of this one, which goes on when that has ended, as after
// vfork(2): a copy of the memory would take four times as long. What `work` returns, or -errno.
template <typename Work>
int in_sharing_process(const Work& work) {
  struct Call {
    const Work& work;
    int result;
  } call{work, -ECHILD};
  const auto enter = [](void* argument) {
    auto& called = *static_cast<Call*>(argument);
    called.result = called.work();
    return 0;
  };
  alignas(16) char stack[64 * 1024];
  const pid_t pid = clone(enter, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES, &call);
  if (pid < 0) return -errno;
  int status = 0;
  pid_t ended = 0;
  do {
    ended = waitpid(pid, &status, __WALL);
  } while (ended < 0 && errno == EINTR);
  if (ended < 0) return -errno;
  return WIFEXITED(status) ? call.result : -ECHILD;
}

// Runs `make` in a network namespace: this process where it may come back, as root's shim may, or one that shares all with it.
template <typename Make>
int made_by(int ns, const Make& make) {
  NetworkVisit visit;
  if (visit.can_return()) {
    const int result = visit.enter(ns);
    return result < 0 ? result : make();
  }
  return in_sharing_process([&] { return ::setns(ns, CLONE_NEWNET) < 0 ? -errno : make(); });
}

// Makes sockets in the network namespace of a slot; -1: in the process's own. A socket belongs to the namespace that its maker is in.
// `make` fills what is made, and is called once.
template <typename Make, typename Made>
int made_in(const Slots& slots, int32_t slot, const Make& make, Made& out) {
  if (slot < 0) return make(out);
  return made_by(slots.get(slot), [&] { return make(out); });
}

template <typename Make>
int made_in(const Slots& slots, int32_t slot, size_t count, const Make& make, std::vector<unique_fd>& out) {
  out.resize(count);
  return made_in(slots, slot, make, out);
}

}  // namespace nacelle
