#pragma once

#include <string>

#include "leave_out.h"
#include "merged.h"

// What a container has in its upper folder only because something was mounted there.
namespace nacelle::layer {

// Whether a path of the upper is left behind by a mount, and nothing else: an empty file or folder that was made to mount
// upon, or a folder of the lower layers that only got one. 1 or 0, or -errno.
int is_stub(int parent, const std::string& name, const std::string& path, const LeaveOut& leave_out, const Merged& lower);

// Whether a folder of the upper is the one below in all but its time: 1 or 0, or -errno.
int is_unchanged(int folder, const Found& below);

}  // namespace nacelle::layer
