#pragma once

#include <napi.h>

#include "loop_poll.h"
#include "loop_timer.h"
#include "shim/kernel/unique_fd.h"

namespace nacelle {

// CallerListener: a socket of the unix domain at which processes of this user ask for something, as the front of nacelle-oci does. It keeps
// no event loop alive. Where no descriptor is left for a caller it is let go unheard, and does what it wants by itself; where not even that
// can be done, those that wait do so until a tenth of a second later.
//
//   new CallerListener(path, onCaller)   onCaller(fd, pid): the descriptor is JavaScript's. Whoever is of another user, or in another pid
//                                        namespace, is not heard
//   listener.close()
class CallerListener : public Napi::ObjectWrap<CallerListener> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit CallerListener(const Napi::CallbackInfo& info);
  ~CallerListener() override;

 private:
  void Close(const Napi::CallbackInfo& info);
  int Open(const std::string& path);
  void OnReady();
  void LetGo();
  void Shut();

  unique_fd fd_;
  unique_fd spare_;  // its number is free for a caller that is let go
  Poll poll_;        // declared after the descriptor, so that it is destroyed first
  Timer later_;
  Napi::FunctionReference on_caller_;
};

// socketPair(): two connected SOCK_SEQPACKET sockets, close-on-exec; -errno as a number when it fails.
Napi::Value SocketPair(const Napi::CallbackInfo& info);

}  // namespace nacelle
