#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace nacelle {

class Writer;

// When each step of a plan began and ended, where the plan has the part `trace`. The shim and the container's processes note it in memory
// that they share, one mark for each step: so a mark costs two readings of the clock, which are no system calls. The memory goes from a
// process with its execve. Whoever traces such a process can write anything into it: only times are read there, and nothing follows from
// them.
class Trace {
 public:
  Trace() = default;
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  ~Trace() { stop(); }

  // 0 or -errno.
  int start();
  void stop();
  bool is_on() const { return shared_ != nullptr; }
  // Sets whether the next fork has the memory, as the processes do whose steps it is for. 0 or -errno.
  int share(bool shared) const;
  // The number of the first stage that is cloned from here on: those of a later run have numbers of their own.
  void number_stages_from(int32_t first) { first_stage_ = first; }
  int32_t first_stage() const { return first_stage_; }

  // Notes the begin of a step, and gives the place of its mark; kNone when there is no more room, or when the trace is off.
  size_t begin(int32_t where, uint32_t index);
  void end(size_t place);
  // Notes what began at that time and ends here.
  void note(int32_t where, uint64_t began_ns);
  // Whoever clones a process into another time namespace has the clone call this with what skew() was before: the clock there is another.
  static int64_t skew();
  void follow_clock(int64_t skew_before);

  // The marks as a message tells them (Event::kTraced).
  void write(Writer& writer) const;

  static constexpr size_t kNone = SIZE_MAX;

 private:
  struct Mark {
    int32_t where;
    uint32_t index;
    uint64_t began_ns, ended_ns;  // ended 0: no end is known
  };
  // The kernel gives pages as they are written to.
  static constexpr size_t kMost = 4096;
  struct Shared {
    std::atomic<uint32_t> count;
    Mark marks[kMost];
  };
  uint64_t now() const;

  Shared* shared_ = nullptr;
  int32_t first_stage_ = 0;
  int64_t shift_ns_ = 0;  // between the clock here and the shim's
};

// Notes a step from here to the end of the block; nothing where `trace` is nullptr.
class Span {
 public:
  Span(Trace* trace, int32_t where, uint32_t index) : trace_(trace), place_(trace == nullptr ? Trace::kNone : trace->begin(where, index)) {}
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;
  ~Span() {
    if (trace_ != nullptr) trace_->end(place_);
  }

 private:
  Trace* trace_;
  size_t place_;
};

}  // namespace nacelle
