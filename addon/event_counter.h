#pragma once

#include <napi.h>

#include "loop_poll.h"
#include "shim/kernel/unique_fd.h"

namespace nacelle {

// EventCounter: an eventfd(2) in the event loop, which it never keeps alive. Whoever holds the descriptor reports events; for
// cgroup.event_control of v1 that is the kernel.
//
//   new EventCounter(onEvents)
//   counter.fd       close-on-exec
//   counter.close()
//
// onEvents(count) is called with the number of events since the last call.
class EventCounter : public Napi::ObjectWrap<EventCounter> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit EventCounter(const Napi::CallbackInfo& info);
  ~EventCounter() override;

 private:
  Napi::Value Descriptor(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void Shut();
  void OnReadable();

  unique_fd fd_;
  Poll poll_;  // declared after the descriptor, so that it is destroyed first
  Napi::FunctionReference on_events_;
};

}  // namespace nacelle
