#pragma once

#include <string_view>

#include "entry.h"

// Folders that an archive only implies: 'etc/hosts' without an entry 'etc/'.
namespace nacelle::layer {

// Gives the folder at `path`, made with its parents where they are missing: O_PATH, borrowed until the tree's next answer. A folder that
// the lower layers have is made with their owner, mode, time and attributes, since overlayfs shows those of the topmost layer. Any other is
// root's, with mode 0755 and the time of the entry that implies it.
int folder_for(Unpacking& work, const TarEntry& entry, std::string_view path, Failure& why);

}  // namespace nacelle::layer
