#pragma once

#include <napi.h>

// Many files of a tree in one call, which others may change meanwhile. Paths are relative to `root`, the descriptor of a folder; they are
// opened by openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS, so neither a link nor a race leads out, and a
// link that has taken the place of a folder gives ELOOP. Both work beside the event loop and give a promise.
namespace nacelle {

// listFolder(root, path, most): what is in a folder, ordered by the names' bytes: [names, statuses, attributes], or -errno. Each name ends
// with a zero byte. Each file has nine numbers: 0 for a file, 1 a folder, 2 a link, 3 anything else, -1 where it was removed meanwhile;
// the mode without its kind; uid, gid; mtime in whole seconds; size; and for a file with several names its device and inode, the latter in
// two numbers of 32 bits, else 0. The attributes are as of fileAttributes(), or -errno; `most` 0: none are read.
Napi::Value ListFolder(const Napi::CallbackInfo& info);

// readContents(root, paths, sizes, into): reads files whole, one after the other into `into`. Each path ends with a zero byte, and its file
// is to have the size in `sizes`, all of which fit into `into`. It gives null, or [place, -errno] of the first that can't be read: 0 in
// the place of -errno for what is no file any more, or has another size.
Napi::Value ReadContents(const Napi::CallbackInfo& info);

}  // namespace nacelle
