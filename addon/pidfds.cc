#include "pidfds.h"

#include <cerrno>
#include <utility>

#include "descriptors.h"
#include "shim/kernel/syscalls.h"

namespace nacelle {

Napi::Value OpenProcess(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  unique_fd process;
  const int result = opened(sys_pidfd_open(info[0].As<Napi::Number>().Int32Value()), process);
  return Napi::Number::New(env, result < 0 ? result : Descriptors::of(env).add(std::move(process)));
}

Napi::Value SignalProcess(const Napi::CallbackInfo& info) {
  const int process = info[0].As<Napi::Number>().Int32Value();
  return Napi::Number::New(info.Env(), sys_pidfd_send_signal(process, info[1].As<Napi::Number>().Int32Value()));
}

}  // namespace nacelle
