#pragma once

namespace nacelle {

// Looks whether this process is in a chroot(2): whether its root is another one than that of its mount namespace. To be called before
// anything is mounted; processes of this one are told by in_chroot(). Where this process may not join mount namespaces, no program can be
// started in one either, and it counts as in none.
// @returns 0 or -errno
int look_for_chroot();

bool in_chroot();

// Has the root of the mount namespace as the root. A mount namespace that was made in a chroot is a copy of all that there is outside, too;
// after this call what is unmounted here stays mounted there.
// @returns 0 or -errno
int leave_chroot();

}  // namespace nacelle
