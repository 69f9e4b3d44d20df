#pragma once

#include <napi.h>

namespace nacelle {

// connectLocal(address): a connected stream socket of the unix domain (unix(7)), as { fd, pid, uid } with the credentials of whoever
// listens there, or -errno. An address that begins with NUL is in the abstract namespace. It never waits: -EAGAIN where too many wait to be
// accepted. A pid of 0 is a process of another pid namespace, which has none in this one.
Napi::Value ConnectLocal(const Napi::CallbackInfo& info);

}  // namespace nacelle
