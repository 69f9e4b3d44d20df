#pragma once

// The shim's file in its mapping mode: what becomes a mapped shim (wire/mapping.h).
//
// It executes the shim anew, and that matters: the memory of a process belongs to the user namespace in which it was executed, and so does
// the memory of its children. CAP_SYS_PTRACE counts in that namespace (ptrace(2), "Ptrace access mode checking"): of a shim that only
// entered its namespace, no child that is not dumpable could be looked at, nor its maps be written.
namespace nacelle {

// `arguments`: those of the shim, nullptr at the end. `joined`: the user namespace to enter; < 0: a new one. Comes back only with a
// failure.
int enter_user_namespace(int control, int joined, char* const* arguments);

}  // namespace nacelle
