#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "../kernel/unique_fd.h"
#include "../names/request.h"
#include "names.h"

namespace nacelle {

// The server of names as the shim sees it. Each request is answered later: read() tells.
class Names {
 public:
  // Starts it in the caller's network namespace. `folder`: that of the members' files (names/member.h). 0 or -errno.
  int start(int executable, int folder, const char* resolv_conf);
  // Who asks on these sockets is told the names of these networks, and, when it `forwards`, what the host's servers say of others.
  int serve(uint64_t id, int udp, int tcp, bool forwards, const std::vector<std::string>& networks);
  int change(uint64_t id, bool forwards, const std::vector<std::string>& networks);
  int stop(uint64_t id);
  void kill() const;
  // It has ended, or is to end by itself: the next start() starts another one.
  void forget();

  // 0 when there is none.
  pid_t pid() const { return pid_; }
  // The socket to the process: readable when it has answered.
  int control() const { return control_.get(); }
  // Reads what it has answered. False when there is no more to come: the process has ended.
  bool read(const std::function<void(const names::RequestAnswer&)>& told);

 private:
  int send(const std::string& request, const int* fds, size_t count);

  pid_t pid_ = 0;
  unique_fd control_;
};

}  // namespace nacelle
