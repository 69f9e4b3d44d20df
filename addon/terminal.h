#pragma once

#include <napi.h>

#include "loop_poll.h"
#include "shim/kernel/unique_fd.h"

namespace nacelle {

// Terminal: the master of a pseudo-terminal in the event loop. Node's own tty.ReadStream loses output when the other side closes.
//
//   new Terminal(fd, onReady)    takes the descriptor over, which must be non-blocking
//   terminal.watch(reads, writes)    for what onReady is called
//   terminal.read(bytes), terminal.write(bytes)    how many bytes, or -errno. EAGAIN: none now; EIO: nobody has the other side open
//   terminal.resize(columns, rows)    0 or -errno
//   terminal.endOfFile()    the character that ends its input, 0 where none does, or -errno
//   terminal.ref(), terminal.unref()    whether it keeps the event loop alive while it is watched; at first it does not
//   terminal.close()
//
// onReady(mayRead, mayWrite) is called from the event loop, again and again until the state or watch() changes.
class Terminal : public Napi::ObjectWrap<Terminal> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Terminal(const Napi::CallbackInfo& info);
  ~Terminal() override;

 private:
  void Watch(const Napi::CallbackInfo& info);
  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value Write(const Napi::CallbackInfo& info);
  Napi::Value Resize(const Napi::CallbackInfo& info);
  Napi::Value EndOfFile(const Napi::CallbackInfo& info);
  void Ref(const Napi::CallbackInfo& info);
  void Unref(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void Shut();
  void OnReady(int events);

  unique_fd fd_;
  Poll poll_;  // declared after the descriptor, so that it is destroyed first
  Napi::FunctionReference on_ready_;
};

// enterRawMode(fd): puts the caller's terminal into the raw mode of cfmakeraw(3), and gives the settings before, as bytes; or -errno.
// Node's own raw mode still makes "\r\n" of each "\n", which moves the cursor of a program that draws.
Napi::Value EnterRawMode(const Napi::CallbackInfo& info);

// restoreMode(fd, settings): 0 or -errno.
Napi::Value RestoreMode(const Napi::CallbackInfo& info);

}  // namespace nacelle
