#pragma once

#include <napi.h>

namespace nacelle {

// openProcess(pid): a descriptor of the process that has this number now (pidfd_open(2)), or -errno.
Napi::Value OpenProcess(const Napi::CallbackInfo& info);

// signalProcess(pidfd, signal): sends it to that process and to no other that has got its number since (pidfd_send_signal(2)). 0 or -errno.
Napi::Value SignalProcess(const Napi::CallbackInfo& info);

}  // namespace nacelle
