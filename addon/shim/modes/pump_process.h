#pragma once

#include <sys/types.h>

#include <vector>

#include "../kernel/unique_fd.h"
#include "../wire/saved.h"
#include "pump.h"

namespace nacelle {

// A pump (pump.h) as the shim sees it.
class Pump {
 public:
  // Starts one: descriptors `from[i]` are copied to `to[i]`. 0 or -errno.
  int start(int executable, const std::vector<int>& from, const std::vector<int>& to);
  // Starts a log (log.h) instead, which is the same to the shim: what `from` brings goes to segments in the folder. 0 or -errno.
  int start_log(int executable, int folder, const std::vector<int>& from, uint64_t bytes, uint64_t segments);

  // 0 when there is no pump, or it has ended.
  pid_t pid() const { return pid_; }
  // The socket to the pump: readable when the pump has reported a failure.
  int control() const { return control_.get(); }
  // Reads the failures that the pump has reported. False when it can report no more.
  bool read();
  // The program has ended: the pump writes what is left, and ends. A pump that has only input is killed, since nothing is left to do.
  void finish();
  void kill();
  // Reaps the pump, which has ended.
  void ended();

  // For the shim that takes over, whose child the pump stays.
  void save(Saved& to) const;
  void find(const Found& found);

  const std::vector<PumpFailure>& failures() const { return failures_; }

 private:
  int run(int executable, const int* fds, size_t count, const char* const* argv);

  pid_t pid_ = 0;
  bool has_output_ = false;
  bool is_needless_ = false;  // the shim has killed it because it had nothing more to do
  unique_fd control_;
  std::vector<PumpFailure> failures_;
};

}  // namespace nacelle
