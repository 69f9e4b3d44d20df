#include "names_process.h"

#include <sys/socket.h>

#include <cerrno>

#include "../kernel/ancillary.h"
#include "../kernel/receive_packet.h"
#include "../wire/wire.h"
#include "beside.h"

namespace nacelle {
namespace {

using names::RequestKind;

static_assert(kNamesControl == 0 && kNamesFolder == 1);

std::string request_of(RequestKind kind, uint64_t id) {
  std::string request;
  Writer(request).u8(static_cast<uint8_t>(kind)).num(id);
  return request;
}

std::string request_of(RequestKind kind, uint64_t id, bool forwards, const std::vector<std::string>& networks) {
  std::string request = request_of(kind, id);
  Writer writer(request);
  writer.u8(forwards ? 1 : 0).u32(static_cast<uint32_t>(networks.size()));
  for (const std::string& network : networks) writer.str(network.c_str());
  return request;
}

}  // namespace

int Names::start(int executable, int folder, const char* resolv_conf) {
  if (pid_ != 0) return -EBUSY;
  const int fds[] = {folder};
  const char* const argv[] = {kNamesName, resolv_conf, nullptr};
  const pid_t pid = start_beside(executable, fds, 1, argv, control_);
  if (pid < 0) return pid;
  pid_ = pid;
  return 0;
}

int Names::serve(uint64_t id, int udp, int tcp, bool forwards, const std::vector<std::string>& networks) {
  const int fds[] = {udp, tcp};
  return send(request_of(RequestKind::kServe, id, forwards, networks), fds, 2);
}

int Names::change(uint64_t id, bool forwards, const std::vector<std::string>& networks) {
  return send(request_of(RequestKind::kChange, id, forwards, networks), nullptr, 0);
}

int Names::stop(uint64_t id) { return send(request_of(RequestKind::kStop, id), nullptr, 0); }

int Names::send(const std::string& request, const int* fds, size_t count) {
  Ancillary<2> room{};
  std::string bytes = request;
  iovec part{bytes.data(), bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  put_descriptors(header, room, fds, count);
  ssize_t sent;
  do {
    sent = sendmsg(control_.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

bool Names::read(const std::function<void(const names::RequestAnswer&)>& told) {
  for (;;) {
    names::RequestAnswer answer;
    iovec part{&answer, sizeof answer};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    const ssize_t size = receive_packet(control_.get(), header, MSG_DONTWAIT);
    if (size == -EAGAIN) return true;
    if (size != sizeof answer) return false;
    told(answer);
  }
}

}  // namespace nacelle
