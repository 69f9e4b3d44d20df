#pragma once

#include <napi.h>

#include "shim/kernel/unique_fd.h"

namespace nacelle {

// ChangeWatch: whether folders of the machine, or its mounts, have changed since the last question, by inotify(7) and poll(2) of
// proc_pid_mountinfo(5). The kernel notes a change before the call that makes it returns, so an answer has all that came before its
// question.
//
//   new ChangeWatch()
//   watch.add(path)   follows links; a number for the folder, the same for the same folder, or -errno
//   watch.changes()   [[folder, name], …]: something of that name came, went, or got another mode, owner, size or content; '' is the
//                     folder itself. A folder of -1: any of the folders, or the mounts
class ChangeWatch : public Napi::ObjectWrap<ChangeWatch> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit ChangeWatch(const Napi::CallbackInfo& info);

 private:
  Napi::Value Add(const Napi::CallbackInfo& info);
  Napi::Value Changes(const Napi::CallbackInfo& info);

  unique_fd folders_;
  unique_fd mounts_;
};

}  // namespace nacelle
