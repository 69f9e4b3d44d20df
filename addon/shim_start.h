#pragma once

#include <napi.h>

namespace nacelle {

// startShim(shim, runtimeDir): has a thread of Node's pool start the shim of this process, if there is none, while JavaScript goes on.
// Whoever connects meanwhile waits for that, and is told of a failure by an attempt of its own.
void StartShim(const Napi::CallbackInfo& info);

}  // namespace nacelle
