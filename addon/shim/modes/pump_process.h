#pragma once

#include <sys/types.h>

#include <vector>

#include "../kernel/unique_fd.h"
#include "pump.h"

namespace nacelle {

// A pump (pump.h) as its shim sees it.
class Pump {
 public:
  // Starts one: descriptors `from[i]` are copied to `to[i]`. 0 or -errno.
  int start(int executable, const std::vector<int>& from, const std::vector<int>& to);

  // 0 when there is none, or it has ended.
  pid_t pid() const { return pid_; }
  // Readable when it tells of something.
  int control() const { return control_.get(); }
  // Takes what it has told. False: it can tell nothing more.
  bool read();
  // The program is gone: the pump writes what is left, and ends. One that has input alone has nothing more to do.
  void finish();
  void kill();
  // Takes its end, of which the kernel has told.
  void ended();

  const std::vector<PumpFailure>& failures() const { return failures_; }

 private:
  pid_t pid_ = 0;
  bool has_output_ = false;
  bool is_needless_ = false;  // it ends as the shim wants it to
  unique_fd control_;
  std::vector<PumpFailure> failures_;
};

}  // namespace nacelle
