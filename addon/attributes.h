#pragma once

#include <napi.h>

namespace nacelle {

// fileAttributes(folder, names, most): the extended attributes of files in a folder, by their names there (xattr(7)). No link is followed.
// It works beside the event loop and gives a promise: of a list with three values for each attribute, which are the file's place in
// `names`, the attribute's name as bytes, and its value; or of -errno, and -E2BIG where all of them have more than `most` bytes.
Napi::Value FileAttributes(const Napi::CallbackInfo& info);

}  // namespace nacelle
