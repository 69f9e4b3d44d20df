#pragma once

#include <napi.h>

namespace nacelle {

// pipe(): [read end, write end], close-on-exec. -errno as a number when it fails.
Napi::Value Pipe(const Napi::CallbackInfo& info);

// namespaceIoctl(fd, request): the descriptor that NS_GET_USERNS or NS_GET_PARENT answers with, or -errno.
Napi::Value NamespaceIoctl(const Napi::CallbackInfo& info);

// readAvailable(fd, max): what a pipe holds now, without waiting; null at its end, a number (-errno) when it failed.
Napi::Value ReadAvailable(const Napi::CallbackInfo& info);

}  // namespace nacelle
