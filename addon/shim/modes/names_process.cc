#include "names_process.h"

#include <signal.h>
#include <sys/socket.h>

#include <cerrno>

#include "../kernel/packet.h"
#include "../names/members_folder.h"
#include "../wire/wire.h"
#include "beside.h"

namespace nacelle {
namespace {

using names::RequestKind;

static_assert(kNamesControl == 0 && kNamesFolder == 1 && kNamesChanges == 2);

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
  unique_fd changes;
  if (const int result = names::watch_members(folder, changes); result < 0) return result;
  const int fds[] = {folder, changes.get()};
  const char* const argv[] = {kNamesName, resolv_conf, nullptr};
  const pid_t pid = start_beside(executable, fds, 2, argv, control_);
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

void Names::kill() const {
  // the number is still that process's: it is a child of the shim, and nobody else reaps it
  if (pid_ != 0) ::kill(pid_, SIGKILL);
}

void Names::forget() {
  pid_ = 0;
  control_.reset();
}

int Names::send(const std::string& request, const int* fds, size_t count) {
  return send_packet<2>(control_.get(), request.data(), request.size(), fds, count, MSG_DONTWAIT);
}

bool Names::read(const std::function<void(const names::RequestAnswer&)>& told) {
  // a process that a container has taken over must not keep the shim busy
  constexpr int kMostInTurn = 64;
  for (int i = 0; i < kMostInTurn; ++i) {
    names::RequestAnswer answer;
    const ssize_t size = receive_packet(control_.get(), &answer, sizeof answer).size;
    if (size == -EAGAIN) return true;
    if (size != sizeof answer) return false;
    told(answer);
  }
  return true;
}

}  // namespace nacelle
