#pragma once

namespace nacelle::layer {

class Inodes;

struct Removal {
  const Inodes* keep = nullptr;  // what stays, and so do the folders that lead to it
  bool opens = true;  // folders of its own whose mode refuses that are made passable; with `keep` none is. False while unpacking, whose
                      // filter has no chmod
};

// Removes what is at a path, of whatever type, with all that is in it: never across a mount (-EXDEV) and never through a
// link. The depth is not limited by descriptors or stack. A missing path is success.
int remove_tree(int at, const char* path, const Removal& how = {});

}  // namespace nacelle::layer
