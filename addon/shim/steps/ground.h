#pragma once

#include "context.h"

namespace nacelle {

// Where a path of the container's may end, whatever links an image has: in a mount of `on`, or in one that lies there. `mounts` are all
// that are told apart. Others (a tmpfs, an image's volume, what is mounted inside a folder that was bound) are as the one that they lie in.
class Ground {
 public:
  Ground() = default;  // anywhere
  Ground(const Slots& slots, const List<int32_t>& on, const List<int32_t>& mounts) : slots_(&slots), on_(on), mounts_(mounts) {}

  // Whether a folder is there: 0, or -EXDEV, or -errno.
  int holds(int folder) const;
  // The same of a file, or a folder, that `path` below `root` led to.
  int holds(int fd, int root, const char* path) const;

 private:
  int belongs(uint64_t mount) const;

  const Slots* slots_ = nullptr;
  List<int32_t> on_, mounts_;
};

int mount_id(int fd, uint64_t& id);

// Says so of a path that Ground does not hold: -EXDEV.
int leads_elsewhere(Context& context, const char* path);

}  // namespace nacelle
