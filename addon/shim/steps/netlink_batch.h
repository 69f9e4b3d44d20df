#pragma once

#include "context.h"

namespace nacelle {

// What the kernel has said of a batch so far.
struct BatchAnswers {
  bool agreed = false;  // it has acknowledged a message
  int error = 0;        // of the first refusal, -errno
  uint32_t sequence = 0;
  char text[sizeof Context::text] = "";
};

// Reads one datagram of them. false when an answer is cut off.
bool read_batch_answers(const char* data, size_t size, BatchAnswers& answers);

// Sends the messages from NFNL_MSG_BATCH_BEGIN to _END, and reads what the kernel says of them. The failure's text has the name of the
// first message that was refused, and the kernel's own words. 0 or -errno.
int netlink_batch(Context& context, int socket, const Bytes& messages, const List<Str>& names);

}  // namespace nacelle
