#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <list>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "closer.h"

namespace nacelle {

// The closers as the shim sees them. The first descriptor starts one, and it stays as long as the shim; others are started while those
// that are there have enough to do. What none of them has taken yet waits here.
class Closers {
 public:
  // `executable`: the shim's own, which may come later than this.
  Closers(Loop& loop, const unique_fd& executable) : loop_(loop), executable_(executable) {}
  Closers(const Closers&) = delete;
  Closers& operator=(const Closers&) = delete;

  // Has the descriptor closed. With `closed`, that is called once: when it is closed, or after the patience. This is later, or at once
  // where the shim has closed it by itself.
  void close(unique_fd fd, uint64_t patience_ns = 0, std::function<void()> closed = {});
  // So many are not closed yet that whoever has another one should wait for it.
  bool are_behind() const;
  // How many have been given until now, and whether the first `count` of these are closed.
  uint64_t given() const { return given_; }
  bool have_closed(uint64_t count) const;

  // Has them end when all is closed. True where there is none any more, or they were waited for that long, and killed; else calls `ended`
  // then.
  bool end(uint64_t patience_ns, std::function<void()> ended);

  bool has(pid_t pid) const;
  // The process is gone, and with it all that it had. One that has exited can't work, and others would do so again.
  void ended(pid_t pid, bool has_exited);

 private:
  struct Request {
    unique_fd fd;  // until it is sent
    uint64_t number = 0;
    std::function<void()> closed;  // empty: nobody waits
    Timer clock;
  };
  struct Process {
    pid_t pid = 0;
    unique_fd control;
    Watch watch;
    std::list<Request> taken;  // in their order, in which it answers
  };

  Process* one_with_room();
  Process* start();
  void send_waiting();
  void read(Process& from);
  void let_end();
  static void forget(Process& process);
  static void tell(Request& request);

  Loop& loop_;
  const unique_fd& executable_;
  std::list<Process> processes_;
  std::list<Request> waiting_;
  uint64_t given_ = 0;
  bool are_useless_ = false, are_given_up_ = false;
  std::function<void()> ended_;  // of end()
  Timer end_clock_;
};

}  // namespace nacelle
