#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "../kernel/unique_fd.h"
#include "../wire/plan.h"
#include "../wire/saved.h"
#include "denials.h"

namespace nacelle {

// The process of denials.h as the shim sees it.
class Denials {
 public:
  // 0 or -errno.
  int start(int executable, int listener, const DenialRules& rules);

  // 0 when there is none, or it has ended.
  pid_t pid() const { return pid_; }
  // The socket to the process: readable when it has something to tell.
  int control() const { return control_.get(); }
  // Reads what it has told, at most `most` of them. `told` also gets the whole message. False when there is no more to come.
  bool read(size_t most, const std::function<void(const Denial&, const std::string&)>& told);
  void kill();
  // The process goes on alone, tells nobody, and ends when no process has the filter any more. False when it does not hear.
  bool leave();
  // Reaps the process, which has ended. Whether it has done so because it had nothing more to do.
  bool ended();
  // It does not end: nobody waits for it any more.
  void forget();

  // For the shim that takes over, whose child the process stays.
  void save(Saved& to) const;
  void find(const Found& found);

 private:
  pid_t pid_ = 0;
  bool is_killed_ = false;  // by the shim
  unique_fd control_;
};

}  // namespace nacelle
