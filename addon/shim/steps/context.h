#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>

#include "../modes/pump_process.h"
#include "../wire/slots.h"
#include "../wire/wire.h"
#include "account.h"

// What a step works on: the slots of its plan, and the place for words about a failure.
namespace nacelle {

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
