#pragma once

// The shim's file as a server of names: one process beside a shim, which answers what the shim's containers ask (names/server.h), also
// while Node is busy or gone.
//
//   container ──query──▶ its socket, served here ──▶ the folder of members (names/member.h), or the host's servers
//
// Its sockets to the host's servers are made in the network namespace in which it is started; those that it serves come by descriptor.
namespace nacelle {

// The name under which it is executed, argv[0]; argv[1] is the path of resolv.conf(5).
constexpr char kNamesName[] = "nacelle-names";

// Its descriptors: the socket to the shim (names/request.h), whose end is its own; the folder of members, which the process must be
// able to search as another user, and whose files any user may read; and what tells of changes there (names/members_folder.h).
constexpr int kNamesControl = 0, kNamesFolder = 1, kNamesChanges = 2;

[[noreturn]] void names_main(const char* resolv_conf);

}  // namespace nacelle
