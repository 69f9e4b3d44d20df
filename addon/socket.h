#pragma once

#include <napi.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "launch.h"
#include "loop_poll.h"
#include "shim/kernel/unique_fd.h"
#include "shim/wire/protocol.h"

namespace nacelle {

// Socket: this environment's connection to the shim, as JavaScript sees it.
//
//   new Socket({ shim, runtimeDir }, onMessage, onClose)             to this process's shim, which is started when there is none
//   new Socket({ shim, runtimeDir, detached }, onMessage, onClose)   to a new shim of that owner's name, which outlives this process
//   new Socket({ shim, runtimeDir, mapped: true, joined?, detached? }, onMessage, onClose)
//                                                                    to a new shim in a user namespace, `joined` or new. It waits there
//                                                                    for the maps of socket.pid, up to socket.goOn()
//   new Socket({ folder }, onMessage, onClose)                       to the shim that serves in that folder
//   new Socket({ control, owner, pid }, onMessage, onClose)          to a shim that another process starts with the other end of `control`,
//                                                                    which stays the caller's
//   new Socket({ connected }, onMessage, onClose)                    a socket that is connected, which is this object's from then on:
//                                                                    messages as to a shim, of whoever is at the other end
//   socket.send(type, id, body, fds)    descriptors are duplicated. 0 or -errno
//   socket.ref(), socket.unref()    whether the socket keeps the event loop alive; at first it does not
//   socket.close()
//   socket.owner, socket.pid   of the shim
//
// onMessage(type, id, body, fds) is called from the event loop; onClose() once, when the shim has gone.
class Socket : public Napi::ObjectWrap<Socket> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Socket(const Napi::CallbackInfo& info);
  ~Socket() override;

 private:
  Napi::Value Send(const Napi::CallbackInfo& info);
  void Ref(const Napi::CallbackInfo& info);
  void Unref(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);
  void GoOn(const Napi::CallbackInfo& info);
  Napi::Value Owner(const Napi::CallbackInfo& info);
  Napi::Value Pid(const Napi::CallbackInfo& info);

  int Connect(const Napi::Object& options, std::string& what);
  // Begins to hear the shim.
  void Listen();
  void Shut();
  // A message that waits until the socket is writable.
  struct Outgoing {
    std::string bytes;
    std::vector<unique_fd> fds;
  };
  int Flush();
  void Watch();
  void OnReady(int events);
  bool ReceiveOne();
  // Ends the connection, and tells so. Always false.
  bool Lost();
  // False when the environment takes no calls any more.
  bool TellMessage(const Header& header, const char* inline_body, size_t size, std::vector<unique_fd>& fds);
  bool Tell(napi_value listener, size_t count, const napi_value* arguments);

  Launch launch_;
  MappedShim mapped_;
  unique_fd fd_;
  Poll poll_;  // declared after the descriptor, so that it is destroyed first
  std::deque<Outgoing> unsent_;
  unsigned refusals_ = 0;  // in a row, for want of memory
  Napi::FunctionReference on_message_, on_close_;
  std::string owner_;
  int pid_ = 0;
};

}  // namespace nacelle
