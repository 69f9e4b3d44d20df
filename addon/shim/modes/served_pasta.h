#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../wire/saved.h"
#include "restart_pause.h"

namespace nacelle {

// How a container's network is connected by pasta: with which arguments, and in which network namespace.
struct PastaService {
  std::string path;
  std::vector<std::string> arguments;
  unique_fd network;
};

// The processes of pasta, one for each container that has it (pasta_process.h).
class ServedPasta {
 public:
  explicit ServedPasta(Loop& loop) : loop_(loop) {}

  // Starts one for the task of this number, in the place of the one that it had. `said`: what it prints. 0 or -errno.
  int start(uint64_t id, PastaService service, unique_fd& said);
  // The network is there. From now on another process takes the place of one that ends. 0 or -errno.
  int keep(uint64_t id);
  void stop(uint64_t id);

  // Whether the pid is one of these processes, which the shim has yet to reap.
  bool has(pid_t pid) const;
  // A process has ended, and was reaped.
  void ended(pid_t pid);

  // For the shim that takes over, whose children they are then.
  void save(Saved& to) const;
  void find(const Found& found);

 private:
  struct Served {
    PastaService service;
    pid_t pid = 0;
    bool is_kept = false;
    unique_fd said;
    Watch words;
    Timer again;
    RestartPause pause;
  };
  int launch(Served& served);
  int listen(Served& served);
  void start_later(Served& served);

  Loop& loop_;
  std::unordered_map<uint64_t, std::unique_ptr<Served>> served_;
  std::unordered_set<pid_t> stopped_;  // and not reaped yet
};

}  // namespace nacelle
