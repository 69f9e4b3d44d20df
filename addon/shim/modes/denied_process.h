#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "../kernel/unique_fd.h"

namespace nacelle {

// The process whose call waits for an answer, as the folder `proc` of processes tells of it. Its threads, and others, go on meanwhile:
// whoever uses what this says asks the kernel afterwards whether the call still waits. Until then no other process can have had the
// thread's number.
class DeniedProcess {
 public:
  DeniedProcess(int proc, uint32_t thread) : proc_(proc), thread_(thread) { read_status(); }

  // 0: the thread is gone.
  pid_t pid() const { return pid_; }
  pid_t parent() const { return parent_; }
  // Whether SIGSYS ends the process: it may have a handler, whoever traces it may take the signal away, and the first process of a pid
  // namespace gets no signal that it has not asked for.
  bool dies_of_sigsys() const { return pid_ != 0 && !is_init_ && !minds_sigsys_; }

  // Reads up to `size` bytes there: to the zero byte with `text`, else all of them. How many, or -errno.
  ssize_t read(uint64_t address, char* to, size_t size, bool text) const;

 private:
  void read_status();

  int proc_;
  uint32_t thread_;
  pid_t pid_ = 0, parent_ = 0;
  bool is_init_ = false, minds_sigsys_ = true;
};

}  // namespace nacelle
