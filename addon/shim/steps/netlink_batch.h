#pragma once

#include "context.h"

namespace nacelle {

// Sends the messages from NFNL_MSG_BATCH_BEGIN to _END, and reads what the kernel says of them. The failure's text has the name of the
// first message that was refused, and the kernel's own words. 0 or -errno.
int netlink_batch(Context& context, int socket, const Bytes& messages, const List<Str>& names);

// Removes an nftables table with all that is in it; one that is not there is success. 0 or -errno.
int remove_table(Context& context, int socket, uint8_t family, const Str& table);

}  // namespace nacelle
