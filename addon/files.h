#pragma once

#include <napi.h>

namespace nacelle {

// readFiles(paths): the text of each, or -errno where it can't be read. For small files of the kernel's, many in one call.
Napi::Value ReadFiles(const Napi::CallbackInfo& info);

}  // namespace nacelle
