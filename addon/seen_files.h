#pragma once

#include <napi.h>

namespace nacelle {

// areAsSeen(paths, seen): whether at each path there is what was there. `paths`: each with a NUL behind it. `seen`, a BigInt64Array: six
// numbers for each path, which are bits (1: a link at the end is followed, 2: something was there, 4: the time of the newest change
// counts, 8: that of the newest write and the size do), st_dev, st_ino, both times in ns, and the size. What can't be looked at is not as
// it was.
Napi::Value AreAsSeen(const Napi::CallbackInfo& info);

}  // namespace nacelle
