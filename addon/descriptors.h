#pragma once

#include <napi.h>

namespace nacelle {

// pipe(): [read end, write end], close-on-exec. -errno as a number when it fails.
Napi::Value Pipe(const Napi::CallbackInfo& info);

// closeDescriptor(fd), duplicateDescriptor(fd): as close(2), and dup(2) close-on-exec. >= 0 or -errno. In a Worker Node keeps account
// of what its own fs opened: it warns of other descriptors that fs closes, and closes again what fs has not.
Napi::Value CloseDescriptor(const Napi::CallbackInfo& info);
Napi::Value DuplicateDescriptor(const Napi::CallbackInfo& info);

// namespaceIoctl(fd, request): the descriptor that NS_GET_USERNS or NS_GET_PARENT answers with, or -errno.
Napi::Value NamespaceIoctl(const Napi::CallbackInfo& info);

}  // namespace nacelle
