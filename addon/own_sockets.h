#pragma once

#include <napi.h>

namespace nacelle {

// The sockets between this process and its shim. Whoever holds one can give orders as Node does, so a program must never get one.
void note_own_socket(int fd);
void forget_own_socket(int fd);

// isOwnSocket(fd): whether a descriptor refers to one of these sockets, whatever its number.
Napi::Value IsOwnSocket(const Napi::CallbackInfo& info);

}  // namespace nacelle
