#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../wire/saved.h"
#include "names_process.h"
#include "restart_pause.h"

namespace nacelle {

// Where one container asks about names, and what it is told.
struct NamesService {
  unique_fd udp, tcp;  // bound; the latter listens
  bool forwards = false;
  std::vector<std::string> networks;
};

// What the shim's containers ask about names, answered by one process (names.h), which is there while one of them is. The sockets are
// the shim's too: when that process dies, another one goes on with them, and with the queries that wait there.
class ServedNames {
 public:
  explicit ServedNames(Loop& loop) : loop_(loop) {}

  // Serves the task of this number, in the place of what was served for it before. `folder`: that of the members' files; where
  // that is another one than before, nobody reads the one before any more. 0 or -errno.
  int serve(int executable, uint64_t id, NamesService service, unique_fd folder);
  // Tells what is served of other networks. 0 or -errno: ENOENT when nothing is.
  int change(uint64_t id, bool forwards, std::vector<std::string> networks);
  void stop(uint64_t id);

  // 0 when there is no such process.
  pid_t pid() const { return names_.pid(); }
  // The process has ended, and was reaped.
  void ended();

  // For the shim that takes over, which has a process of its own.
  void save(Saved& to) const;
  void find(const Found& found, int executable);

 private:
  struct Request {
    names::RequestKind kind;
    uint64_t id;
  };
  int start();
  void start_later();
  void end_idle_later();
  void ask(Request request);
  void send_requests();
  int send(const Request& request);
  void read_answers();

  Loop& loop_;
  int executable_ = -1;
  unique_fd folder_;
  std::unordered_map<uint64_t, NamesService> services_;
  Names names_;
  Watch answers_;
  Timer again_, idle_;
  RestartPause pause_;
  std::deque<Request> requests_;  // that were not sent yet
  size_t unanswered_ = 0;
};

}  // namespace nacelle
