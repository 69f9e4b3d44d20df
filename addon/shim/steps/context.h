#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>

#include "../kernel/unique_fd.h"
#include "../modes/pump_process.h"
#include "../modes/relays_inside.h"
#include "../modes/served_names.h"
#include "../modes/served_pasta.h"
#include "../modes/served_relay.h"
#include "../wire/slots.h"
#include "../wire/trace.h"
#include "../wire/wire.h"
#include "account.h"
#include "kept_steps.h"

// What a step works on: the slots of its plan, and the place for words about a failure.
namespace nacelle {

// The network namespace of a user's networks, and a connection to the shim that keeps it (lib/network/holder).
struct JoinedNetworks {
  unique_fd ns, keeper;
};

struct Context {
  explicit Context(Slots& s) : slots(s) {}

  Slots& slots;
  char text[512] = "";             // what the kernel or the step says beside the errno
  std::string* outputs = nullptr;  // host steps: counted bytes, one for each step with output
  uint32_t output_count = 0;
  pid_t process = 0;                      // host steps: the stage's process; 0 once it was reaped
  int channel = -1;                       // this process's end of the channel
  bool words_alone = false;               // host steps: the step refuse_descriptors has run
  bool is_again = false;                  // host steps: the step is tried again, since it was busy
  uint32_t stage = 0, index = 0;          // child steps: the place of the current step
  int executable = -1;                    // the file that init and pump execute (modes/executable.h)
  Pump pump;                              // host steps: the process that copies files
  ServedNames* names = nullptr;           // host steps
  ServedRelay* relay = nullptr;           // host steps
  RelaysInside* relays_inside = nullptr;  // host steps
  ServedPasta* pasta = nullptr;           // host steps
  uint64_t served_id = 0;                 // of what this task has served by these
  KeptSteps kept;                         // host steps
  Trace* trace = nullptr;                 // host steps: of a plan whose times are told
  JoinedNetworks networks;                // host steps: what networks_in has opened
  Account account;                        // child steps: who `user` found
  bool keeps_groups = false;              // child steps: keep_groups has run
  unsigned passed = 0;                    // child steps: how many descriptors from 3 on the program has

  int failed(int error, const char* words) {
    std::snprintf(text, sizeof text, "%s", words);
    return error;
  }
  // Notes the path that failed, for a step with several paths.
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
