#pragma once

// How Node starts a shim that is root of a user namespace. That process enters the namespace, and waits for the maps of its ids: others
// write these, since the process itself can't, and newuidmap(1) wants to be told its number.
//
//   the process ──▶ MappedAnswer ──▶ Node    it is in its namespace; after a failure it ends
//   the process ◀── one byte     ◀── Node    the maps are written: it becomes root there, and executes the shim
//   the shim    ──▶ int          ──▶ Node    as any shim: it serves, or -errno
namespace nacelle {

// The name under which the process is executed: argv[0].
constexpr char kMappedName[] = "nacelle-map";

// An argument of a shim that is in such a namespace; and of one that enters the namespace which descriptor 4 is.
constexpr char kMappedArgument[] = "mapped";
constexpr char kJoinsArgument[] = "joins";

struct MappedAnswer {
  int result = 0;
  int pid = 0;
};
static_assert(sizeof(MappedAnswer) == 8);

}  // namespace nacelle
