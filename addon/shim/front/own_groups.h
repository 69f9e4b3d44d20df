#pragma once

namespace nacelle {

// Moves this process out of the control groups of whoever started it, to the top of each hierarchy that it sees: no group of others goes on
// because of it, and none that is killed or stopped takes it along. At the top of cgroup v2 below which groups have controllers, as in a
// container, no process may be but in a group: `nacelle-oci`, which is made there. False: it is still in a group of others.
bool leave_groups();

}  // namespace nacelle
