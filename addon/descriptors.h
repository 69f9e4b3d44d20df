#pragma once

#include <napi.h>

#include <vector>

#include "shim/unique_fd.h"

namespace nacelle {

// An array of their numbers: they are JavaScript's from then on. false: the environment is ending, and they stay here.
bool hand_over(napi_env env, std::vector<unique_fd>& fds, napi_value* numbers);

// pipe(): [read end, write end], close-on-exec. -errno as a number when it fails.
Napi::Value Pipe(const Napi::CallbackInfo& info);

// closeDescriptor(fd), duplicateDescriptor(fd): as close(2), and dup(2) close-on-exec. >= 0 or -errno. In a Worker Node keeps account
// of what its own fs opened: it warns of other descriptors that fs closes, and closes again what fs has not.
Napi::Value CloseDescriptor(const Napi::CallbackInfo& info);
Napi::Value DuplicateDescriptor(const Napi::CallbackInfo& info);

// namespaceIoctl(fd, request): the descriptor that NS_GET_USERNS or NS_GET_PARENT answers with, or -errno.
Napi::Value NamespaceIoctl(const Napi::CallbackInfo& info);

}  // namespace nacelle
