#pragma once

#include <napi.h>

namespace nacelle {

// readFiles(paths): the text of each, or -errno where it can't be read. It is for small files of the kernel's, many in one call.
Napi::Value ReadFiles(const Napi::CallbackInfo& info);

// tryLock(fd, exclusive): locks the whole file (fcntl(2), F_OFD_SETLK) without waiting: 0 or -errno, -EAGAIN when another open
// file description has the lock. It lasts until the last descriptor of the open file description is closed, so it ends with the process.
Napi::Value TryLock(const Napi::CallbackInfo& info);

}  // namespace nacelle
