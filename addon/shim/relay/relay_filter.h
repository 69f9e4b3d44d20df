#pragma once

namespace nacelle::relay {

// What each of the processes may do from then on (modes/relay.h), and nothing else; rights they have none. The process that reads what
// containers send can neither make a socket nor connect one; the one that connects reads only what the first asks. The one of datagrams
// makes sockets of UDP alone. 0 or -errno.
int confine_relay(const char* name);
int confine_connector(const char* name);
int confine_datagrams(const char* name);

}  // namespace nacelle::relay
