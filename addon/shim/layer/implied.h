#pragma once

#include <string_view>

#include "entry.h"

// Folders that an archive only implies: 'etc/hosts' without an entry 'etc/'.
namespace nacelle::layer {

// The folder at `path`, made with its parents where they aren't there: O_PATH, borrowed until the tree's next answer. One that
// the lower layers have is made as theirs is (owner, mode, time, attributes), for overlayfs shows the topmost layer's; any other
// is root's, 0755, and as old as the entry that implies it.
int folder_for(Unpacking& work, const TarEntry& entry, std::string_view path, Failure& why);

}  // namespace nacelle::layer
