#pragma once

namespace nacelle::layer {

class Inodes;

// Removes what is at a path, of whatever type, with all that is in it: never across a mount (-EXDEV) and never through a
// link. What is in `keep` stays, and so do the folders that lead to it. The depth is not limited by
// descriptors or stack. A missing path is success.
int remove_tree(int at, const char* path, const Inodes* keep = nullptr);

}  // namespace nacelle::layer
