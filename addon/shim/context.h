#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "account.h"
#include "pump_process.h"
#include "unique_fd.h"
#include "wire.h"

// What a step works on: the slots of its plan, and the place for words about a failure.
namespace nacelle {

class Slots {
 public:
  void resize(size_t count) { fds_.resize(count); }
  // Up to as many, a resize allocates nothing: a child may do it.
  void reserve(size_t count) { fds_.reserve(count); }
  size_t size() const { return fds_.size(); }
  bool has(int32_t slot) const { return slot >= 0 && static_cast<size_t>(slot) < fds_.size(); }

  // The descriptor in a slot; AT_FDCWD for -1, and -1 (so EBADF) for an empty or unknown one.
  int get(int32_t slot) const {
    if (slot < 0) return AT_FDCWD;
    return has(slot) ? fds_[static_cast<size_t>(slot)].get() : -1;
  }
  int put(int32_t slot, unique_fd fd) {
    if (slot < 0) return 0;
    if (!has(slot)) return -EBADF;
    fds_[static_cast<size_t>(slot)] = std::move(fd);
    if (filled_ != nullptr) filled_->push_back(slot);
    return 0;
  }
  void close(int32_t slot) {
    if (has(slot)) fds_[static_cast<size_t>(slot)].reset();
  }
  // Slots that are filled from now on are noted there (nullptr: nowhere).
  void note(std::vector<int32_t>* filled) { filled_ = filled; }

 private:
  std::vector<unique_fd> fds_;
  std::vector<int32_t>* filled_ = nullptr;
};

struct Context {
  explicit Context(Slots& s) : slots(s) {}

  Slots& slots;
  char text[512] = "";             // what the kernel or the step says beside the errno
  std::string* outputs = nullptr;  // host steps: counted bytes, one for each step with output
  uint32_t output_count = 0;
  pid_t process = 0;              // host steps: the stage's process; none once its end was taken
  int channel = -1;               // this side's end
  bool words_alone = false;       // host steps: refuse_descriptors was one
  uint32_t stage = 0, index = 0;  // child steps: where this one is
  int executable = -1;            // what one of ours executes that stays
  Pump pump;                      // host steps: beside the stages
  Account account;                // child steps: who `user` found

  int failed(int error, const char* words) {
    std::snprintf(text, sizeof text, "%s", words);
    return error;
  }
  // A path that failed, where a step has several.
  int on(const char* path, int error) {
    if (error < 0) std::snprintf(text, sizeof text, "%s", path);
    return error;
  }
  void output(const char* data, size_t size) {
    if (outputs == nullptr) return;
    Writer(*outputs).bytes(data, size);
    ++output_count;
  }
};

}  // namespace nacelle
