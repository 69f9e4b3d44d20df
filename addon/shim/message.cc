#include "message.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace nacelle {
namespace {

union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
};

void take_descriptors(msghdr& header, std::vector<unique_fd>& fds) {
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int raw[kMaxDescriptors];
    std::memcpy(raw, CMSG_DATA(item), sizeof(int) * count);
    for (size_t i = 0; i < count; ++i) fds.emplace_back(raw[i]);
  }
}

int read_memfd(int fd, uint32_t size, std::string& out) {
  struct stat status {};
  if (fstat(fd, &status) < 0) return -errno;
  if (size > kMaxBody || status.st_size != static_cast<off_t>(size)) return -EPROTO;
  out.resize(size);
  size_t done = 0;
  while (done < size) {
    const ssize_t count = pread(fd, out.data() + done, size - done, static_cast<off_t>(done));
    if (count <= 0) return count < 0 ? -errno : -EPROTO;
    done += static_cast<size_t>(count);
  }
  return 0;
}

}  // namespace

int sealed_memfd(const std::string& content, unique_fd& out) {
  unique_fd fd(memfd_create("nacelle", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return -errno;
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t count = write(fd.get(), content.data() + done, content.size() - done);
    if (count < 0) return -errno;
    done += static_cast<size_t>(count);
  }
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) return -errno;
  out = std::move(fd);
  return 0;
}

int receive(int socket, Message& message) {
  static char buffer[sizeof(Header) + kInlineBody];
  iovec part{buffer, sizeof buffer};
  Control control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof control.bytes;
  ssize_t size;
  do {
    size = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return errno == ECONNRESET ? 0 : -errno;
  message = Message{};
  take_descriptors(header, message.fds);
  if (size == 0) return 0;
  Header head{};
  if (static_cast<size_t>(size) < sizeof head || (header.msg_flags & MSG_TRUNC) != 0) return -EPROTO;
  message.cut = (header.msg_flags & MSG_CTRUNC) != 0;
  std::memcpy(&head, buffer, sizeof head);
  if (head.version != kProtocolVersion) return -EPROTO;
  message.type = head.type;
  message.id = head.id;
  if ((head.flags & kBodyInMemfd) != 0) {
    if (message.fds.empty()) return message.cut ? 1 : -EPROTO;
    const int result = read_memfd(message.fds.front().get(), head.size, message.body);
    message.fds.erase(message.fds.begin());
    return result < 0 ? result : 1;
  }
  if (static_cast<size_t>(size) != sizeof head + head.size) return -EPROTO;
  message.body.assign(buffer + sizeof head, head.size);
  explicit_bzero(buffer, static_cast<size_t>(size));  // arguments and environments are nobody else's business
  return 1;
}

int send(int socket, Message& message) {
  Header head{kProtocolVersion, message.type, message.id, static_cast<uint32_t>(message.body.size()), 0};
  iovec parts[2] = {{&head, sizeof head}, {message.body.data(), message.body.size()}};
  msghdr header{};
  header.msg_iov = parts;
  header.msg_iovlen = 2;
  unique_fd memfd;
  std::vector<int> raw;
  if (message.body.size() > kInlineBody) {
    const int result = sealed_memfd(message.body, memfd);
    if (result < 0) return result;
    head.flags = kBodyInMemfd;
    header.msg_iovlen = 1;
    raw.push_back(memfd.get());
  }
  for (const unique_fd& fd : message.fds) raw.push_back(fd.get());
  if (raw.size() > static_cast<size_t>(kMaxDescriptors)) return -E2BIG;
  Control control{};
  if (!raw.empty()) {
    header.msg_control = control.bytes;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * raw.size());
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int) * raw.size());
    std::memcpy(CMSG_DATA(item), raw.data(), sizeof(int) * raw.size());
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

}  // namespace nacelle
