#pragma once

namespace nacelle {

// In a chroot(2) the root of a process is another one than that of its mount namespace, and so it is in a copy of the namespace, whose own
// root, with all that there is outside of the chroot, whoever joins the namespace later begins in.

// Calls `set` where the root is that of this process's mount namespace, notes whether that is another one, and comes back.
// @returns what `set` does, or -errno
int at_namespace_root(int (*set)(const void* argument), const void* argument);

// Whether this process, or a parent of it, has seen another root there.
bool in_chroot();

// Has the root of the mount namespace as the root. @returns 0 or -errno
int leave_chroot();

}  // namespace nacelle
