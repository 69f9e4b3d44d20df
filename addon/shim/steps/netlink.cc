#include "netlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace nacelle {
namespace {

// What the kernel says at the end of a list: 0, or the error for which the list is not whole.
int end_of_dump(const nlmsghdr* header) {
  int status = 0;
  if (header->nlmsg_len >= NLMSG_LENGTH(sizeof status)) std::memcpy(&status, NLMSG_DATA(header), sizeof status);
  return status < 0 ? status : 0;
}

// Sends a request, and gives `told` the messages of each datagram of answers, padded. 0 or -errno.
template <typename Told>
int ask(Context& context, int socket, const std::string& request, const Told& told) {
  if (send(socket, request.data(), request.size(), 0) < 0) return -errno;
  alignas(nlmsghdr) char buffer[32 * 1024];
  int result = 1;
  while (result == 1) {
    const ssize_t count = receive_of_kernel(socket, buffer, sizeof buffer);
    // the kernel drops an answer for which there is no room
    if (count < 0) return count == -EAGAIN ? -ENOBUFS : static_cast<int>(count);
    if (static_cast<size_t>(count) > sizeof buffer) return -EMSGSIZE;
    std::string answers;
    result = read_answers(context, buffer, static_cast<size_t>(count), answers);
    told(answers);
  }
  return result;
}

}  // namespace

const nlmsghdr* next_message(const char* data, size_t size, size_t& at) {
  if (at > size || size - at < sizeof(nlmsghdr)) return nullptr;
  const auto* header = reinterpret_cast<const nlmsghdr*>(data + at);
  if (header->nlmsg_len < sizeof *header || header->nlmsg_len > size - at) return nullptr;
  // the padding of the last one may be missing
  at += NLMSG_ALIGN(size_t{header->nlmsg_len});
  return header;
}

void read_extended_ack(const nlmsghdr* header, char* text, size_t size) {
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return;
  const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
  // the request stands between the error and the attributes unless the kernel capped it
  size_t offset = NLMSG_HDRLEN + sizeof(nlmsgerr);
  if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) offset += error->msg.nlmsg_len - NLMSG_HDRLEN;
  const auto* bytes = reinterpret_cast<const char*>(header);
  while (offset + NLA_HDRLEN <= header->nlmsg_len) {
    nlattr attribute;
    std::memcpy(&attribute, bytes + offset, sizeof attribute);
    if (attribute.nla_len < NLA_HDRLEN || offset + attribute.nla_len > header->nlmsg_len) return;
    if ((attribute.nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG) {
      const size_t length = attribute.nla_len - NLA_HDRLEN;
      const size_t fits = length < size ? length : size - 1;
      std::memcpy(text, bytes + offset + NLA_HDRLEN, fits);
      text[fits] = '\0';
      return;
    }
    offset += NLA_ALIGN(attribute.nla_len);
  }
}

ssize_t receive_of_kernel(int socket, char* buffer, size_t size) {
  constexpr int kMostOfOthers = 4096;  // more than fit into the socket
  for (int i = 0; i < kMostOfOthers; ++i) {
    sockaddr_nl from{};
    socklen_t from_size = sizeof from;
    const ssize_t count = recvfrom(socket, buffer, size, MSG_TRUNC | MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &from_size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    if (from.nl_pid == 0) return count;
  }
  return -EBUSY;
}

int read_answers(Context& context, const char* data, size_t size, std::string& answers) {
  size_t at = 0;
  while (const nlmsghdr* header = next_message(data, size, at)) {
    if (header->nlmsg_type == NLMSG_ERROR) {
      if (header->nlmsg_len < NLMSG_LENGTH(sizeof(nlmsgerr))) return -EBADMSG;
      const int error = static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
      if (error < 0) read_extended_ack(header, context.text, sizeof context.text);
      return error > 0 ? -EBADMSG : error;
    }
    if (header->nlmsg_type == NLMSG_DONE) return end_of_dump(header);
    answers.append(reinterpret_cast<const char*>(header), header->nlmsg_len);
    answers.append(NLMSG_ALIGN(header->nlmsg_len) - header->nlmsg_len, '\0');
  }
  return 1;
}

int netlink_socket(int protocol, unique_fd& out) {
  unique_fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd) return -errno;
  const int on = 1;
  if (setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on) < 0) return -errno;
  if (setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) < 0) return -errno;
  out = std::move(fd);
  return 0;
}

int netlink_request(Context& context, int socket, const Bytes& message, int patch, uint64_t patch_offset) {
  std::string request(message.data, message.size);
  if (patch >= 0) {
    const int fd = context.slots.get(patch);
    if (patch_offset + sizeof fd > request.size()) return -EINVAL;
    std::memcpy(request.data() + patch_offset, &fd, sizeof fd);
  }
  std::string answers;
  const int result = ask(context, socket, request, [&answers](const std::string& some) { answers += some; });
  if (result == 0) context.output(answers.data(), answers.size());
  return result;
}

int netlink_list(Context& context, int socket, const Bytes& message, const Bytes& having, size_t most) {
  std::string kept;
  const auto keep = [&](const std::string& some) {
    size_t at = 0;
    while (const nlmsghdr* header = next_message(some.data(), some.size(), at)) {
      if (kept.size() >= most || memmem(header, header->nlmsg_len, having.data, having.size) == nullptr) continue;
      kept.append(reinterpret_cast<const char*>(header), NLMSG_ALIGN(size_t{header->nlmsg_len}));
    }
  };
  const int result = ask(context, socket, std::string(message.data, message.size), keep);
  if (result == 0) context.output(kept.data(), kept.size());
  return result;
}

namespace {

// Sends a request that begins with a header, of which the rest is filled in.
template <typename Request>
int remove_by(Context& context, int socket, Request& request) {
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_DELLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  return netlink_request(context, socket, Bytes{reinterpret_cast<const char*>(&request), sizeof request}, -1, 0);
}

}  // namespace

int remove_links(Context& context, int socket, uint32_t group) {
  struct {
    nlmsghdr header;
    ifinfomsg link;
    nlattr attribute;
    uint32_t group;
  } request{};
  static_assert(sizeof request == NLMSG_SPACE(sizeof(ifinfomsg)) + NLA_HDRLEN + sizeof(uint32_t), "no padding");
  request.attribute.nla_len = NLA_HDRLEN + sizeof request.group;
  request.attribute.nla_type = IFLA_GROUP;
  request.group = group;
  const int result = remove_by(context, socket, request);
  return result == -ENODEV ? 0 : result;
}

int remove_link(Context& context, int socket, int index) {
  struct {
    nlmsghdr header;
    ifinfomsg link;
  } request{};
  request.link.ifi_index = index;
  return remove_by(context, socket, request);
}

}  // namespace nacelle
