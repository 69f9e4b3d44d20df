#pragma once

#include <napi.h>

namespace nacelle {

// The sockets between this process and its shim. Whoever holds one speaks for Node: a program must never be given any.
void note_own_socket(int fd);
void forget_own_socket(int fd);

// isOwnSocket(fd): whether a descriptor, of whatever number, is one of them.
Napi::Value IsOwnSocket(const Napi::CallbackInfo& info);

}  // namespace nacelle
