#pragma once

#include <cstddef>
#include <cstdint>

#include "../kernel/unique_fd.h"

// The channel between the shim and a container's process: a SOCK_SEQPACKET pair, close-on-exec in the child.
//
//   child → shim                                       shim → child
//   kAtHostStep index      waits there                 kGoOn, with descriptors for slots
//   kDescriptor slot       + the descriptor            -
//   kCloned stage          from the next stage         -
//   kAtRest                waits                       kGoOn, with descriptors and the size of the plan; then the plan,
//                                                      or past kInlineBody a memfd of it in kRestSlot
//   kParked                waits                       kGoOn
//   kExecuting             just before execve, or before work that is not a program (`unpack`, `changes`, …)
//   kWorking               such work has begun, which no end of file tells; init sends it when its program was executed or has died
//   kFailed index errno text
//   kProgramEnded status   from our init: the raw wait status of the program
//
// After the step `refuse_descriptors` the shim takes no descriptors from the channel, and ignores kFailed once the program runs.
// End of file after kExecuting: the program runs. End of file without it: the process died in set-up.
namespace nacelle {

enum class Signal : uint8_t {
  kAtHostStep = 1,
  kDescriptor,
  kCloned,
  kParked,
  kExecuting,
  kWorking,
  kFailed,
  kProgramEnded,
  kAtRest,
  kGoOn
};

// The most descriptors that one message carries.
constexpr size_t kMaxChannelFds = 16;

struct ChannelMessage {
  Signal signal = Signal::kGoOn;
  uint32_t stage = 0;
  uint32_t index = 0;  // of the step in its stage
  int32_t value = 0;   // errno, slot, wait status, bytes of the plan
  uint32_t slots = 0;  // kGoOn: how many descriptors come with it
  int32_t slot[kMaxChannelFds] = {};
  char text[512] = "";
};
// a process that one shim has cloned may speak with the shim that took over: what is new comes where nothing was
static_assert(sizeof(ChannelMessage) == 596 && offsetof(ChannelMessage, text) == 84);

// Makes the pair: the shim's end does not block, the child's does. 0 or -errno.
int make_channel(unique_fd& shim, unique_fd& child);

// From now on the shim takes no descriptors from its end: to close the last descriptor of a socket may wait for its peer, and of a mount
// for all that is in it. A traced process could send such a descriptor, so that the shim would have to wait. Before Linux 6.16 this does
// nothing.
int refuse_descriptors(int shim);

int send_message(int channel, const ChannelMessage& message, const int* fds = nullptr, size_t count = 0);

// 1 with a message, 0 at the end of file, -errno. `fds` takes up to kMaxChannelFds. `sender` is the pid that the
// kernel saw, when the channel passes credentials, else 0.
int receive_message(int channel, ChannelMessage& message, unique_fd* fds, size_t& count, int& sender);

}  // namespace nacelle
