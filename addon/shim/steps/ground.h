#pragma once

#include "context.h"

namespace nacelle {

// The mounts in which a container's path may end, whatever links an image has: those of `on`, and others that lie in them. `mounts` are all
// mounts that are told apart. Any other (a tmpfs, an image's volume, a mount inside a bound folder) counts as the one that it lies in.
class Ground {
 public:
  Ground() = default;  // a path may end anywhere
  Ground(const Slots& slots, const List<int32_t>& on, const List<int32_t>& mounts) : slots_(&slots), on_(on), mounts_(mounts) {}

  // Whether a folder lies on this ground: 0 when it does, -EXDEV when not, or -errno.
  int holds(int folder) const;
  // The same for a file or a folder to which `path` below `root` has led.
  int holds(int fd, int root, const char* path) const;

 private:
  int belongs(uint64_t mount) const;

  const Slots* slots_ = nullptr;
  List<int32_t> on_, mounts_;
};

int mount_id(int fd, uint64_t& id);

// Notes words for a path that lies on no such ground, and returns -EXDEV.
int leads_elsewhere(Context& context, const char* path);

}  // namespace nacelle
