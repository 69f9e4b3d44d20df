#include "netlink_batch.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "netlink.h"

namespace nacelle {
namespace {

// "NAME: the kernel's words", as far as either is known.
void write_words(Context& context, const BatchAnswers& answers, const List<Str>& names) {
  const char* name = "";
  uint32_t sequence = 0;
  for (const Str& one : names)
    if (++sequence == answers.sequence) name = one.text;
  std::string words = name;
  if (!words.empty() && answers.text[0] != '\0') words += ": ";
  words += answers.text;
  std::snprintf(context.text, sizeof context.text, "%s", words.c_str());
}

// Takes what is left of an earlier batch whose answers could not be read to their end: it would pass for an answer to the next one.
void drop_answers(int socket) {
  constexpr int kMost = 4096;
  char byte = 0;
  for (int i = 0; i < kMost; ++i) {
    const ssize_t count = receive_of_kernel(socket, &byte, sizeof byte);
    if (count < 0 && count != -ENOBUFS) return;
  }
}

int send_all(int socket, const Bytes& messages) {
  if (send(socket, messages.data, messages.size, 0) >= 0) return 0;
  if (errno != EMSGSIZE) return -errno;
  // it is larger than what the socket may have under way; only root of the host may go beyond the limit in net.core.wmem_max
  const int room = static_cast<int>(messages.size);
  if (setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0) setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  return send(socket, messages.data, messages.size, 0) < 0 ? -errno : 0;
}

}  // namespace

bool read_batch_answers(const char* data, size_t size, BatchAnswers& answers) {
  size_t at = 0;
  while (const nlmsghdr* header = next_message(data, size, at)) {
    if (header->nlmsg_type != NLMSG_ERROR) continue;
    if (header->nlmsg_len < NLMSG_LENGTH(sizeof(nlmsgerr))) return false;
    const int error = static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
    if (error == 0) answers.agreed = true;
    if (error >= 0 || answers.error < 0) continue;
    answers.error = error;
    answers.sequence = header->nlmsg_seq;
    read_extended_ack(header, answers.text, sizeof answers.text);
  }
  return at >= size;
}

int netlink_batch(Context& context, int socket, const Bytes& messages, const List<Str>& names) {
  drop_answers(socket);
  if (const int result = send_all(socket, messages); result < 0) return result;
  // nfnetlink has done all and answered by the time that send() returns, so there is nothing to wait for. Only messages that were refused
  // and those that ask for it are answered: whatever the order, the batch is done when one was acknowledged and none was refused.
  BatchAnswers answers;
  bool lost = false;
  alignas(nlmsghdr) char buffer[8 * 1024];
  for (;;) {
    const ssize_t count = receive_of_kernel(socket, buffer, sizeof buffer);
    if (count == -EAGAIN) break;
    if (count < 0 && count != -ENOBUFS) return static_cast<int>(count);
    lost = lost || count < 0;
    if (count < 0) continue;
    if (static_cast<size_t>(count) > sizeof buffer || !read_batch_answers(buffer, static_cast<size_t>(count), answers)) return -EBADMSG;
  }
  if (answers.error < 0) {
    write_words(context, answers, names);
    return answers.error;
  }
  if (lost) return -ENOBUFS;
  return answers.agreed ? 0 : -EBADMSG;
}

}  // namespace nacelle
