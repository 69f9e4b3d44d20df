#pragma once

#include "context.h"

namespace nacelle {

// Sends one request and reads its answers up to the acknowledgement or the end of the dump. The answers are the
// step's output, the kernel's own words (extended acknowledgement) the failure's text. 0 or -errno.
int netlink_request(Context& context, int socket, const Bytes& message, int patch, uint64_t patch_offset);

int netlink_socket(int protocol, unique_fd& out);

}  // namespace nacelle
