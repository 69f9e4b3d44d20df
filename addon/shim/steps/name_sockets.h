#pragma once

#include <cstdint>

#include "../kernel/unique_fd.h"

namespace nacelle {

// Where docker's containers ask, too.
constexpr uint32_t kNamesAddress = 0x7f00000b;  // 127.0.0.11
// Where what answers there for a list of names (egress/guide.h) asks about those of the container's networks.
constexpr uint32_t kPeersAddress = 0x7f00000c;  // 127.0.0.12

// The sockets at which a container asks about names, of UDP and of TCP, in the network namespace that the caller is in. 0 or -errno.
int open_name_sockets(uint32_t address, unique_fd (&out)[2]);
// A socket of UDP that asks there. 0 or -errno.
int open_asking_socket(uint32_t address, unique_fd& out);

}  // namespace nacelle
