#pragma once

#include <linux/netlink.h>
#include <sys/types.h>

#include <string>

#include "context.h"

namespace nacelle {

// Sends one request and reads its answers up to the acknowledgement or the end of the dump. The answers are the
// step's output, the kernel's own words (extended acknowledgement) the failure's text. 0 or -errno.
int netlink_request(Context& context, int socket, const Bytes& message, int patch, uint64_t patch_offset);

// As netlink_request, but keeps only answers with these bytes in them, and none more once it has so many bytes: so the list may be long.
int netlink_list(Context& context, int socket, const Bytes& message, const Bytes& having, size_t most);

// Removes all links of a group (since Linux 4.1); removing one end of a veth pair removes both. A group without links is success. 0 or
// -errno.
int remove_links(Context& context, int socket, uint32_t group);

// Removes the link with a number. 0 or -errno: ENODEV when the socket's network namespace has none.
int remove_link(Context& context, int socket, int index);

int netlink_socket(int protocol, unique_fd& out);

// Takes one datagram of the kernel's, which has all of its answer ready when a request was sent: -EAGAIN when none is there. One that is
// longer than the buffer has that size all the same. Whoever has CAP_NET_ADMIN over the network namespace of a socket may send to the
// socket too (netlink(7)): such a datagram is dropped.
ssize_t receive_of_kernel(int socket, char* buffer, size_t size);

// Reads one datagram of answers to a request, and appends the messages to `answers`. 1 when more are to come, 0 or -errno at the end.
int read_answers(Context& context, const char* data, size_t size, std::string& answers);

// The next whole message of a datagram, from `at` on, which then is behind it; nullptr at the end, or where a message is cut off.
const nlmsghdr* next_message(const char* data, size_t size, size_t& at);

// The text attribute behind an error message, when the kernel sent one.
void read_extended_ack(const nlmsghdr* header, char* text, size_t size);

}  // namespace nacelle
