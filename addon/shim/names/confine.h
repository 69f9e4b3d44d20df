#pragma once

namespace nacelle::names {

// Leaves the process what it needs to serve names: its descriptors, sockets of IPv4 and IPv6, and files that any user may read. It has no
// capability and gets none, is no program's to look at, and dies with its parent. Root becomes a user that owns nothing; where that user
// has no id, as in the namespace of an ordinary user, the ids stay. A call that the filter doesn't have kills it. 0 or -errno.
int confine(const char* name);

}  // namespace nacelle::names
