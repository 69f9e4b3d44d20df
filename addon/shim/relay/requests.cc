#include "requests.h"

#include <sys/socket.h>

#include <cerrno>
#include <iterator>

#include "../kernel/packet.h"

namespace nacelle::relay {

bool take_requests(int control, const std::function<int(const Request&, std::vector<unique_fd>)>& carry_out) {
  static char buffer[kMaxRequest];
  for (;;) {
    Packet<kMostDescriptors> packet = receive_packet<kMostDescriptors>(control, buffer, sizeof buffer);
    if (packet.size == -EAGAIN) return true;
    if (packet.size <= 0) return false;
    std::vector<unique_fd> fds(std::make_move_iterator(packet.fds), std::make_move_iterator(packet.fds + packet.count));
    Request request;
    const bool is_whole = read_request(buffer, static_cast<size_t>(packet.size), request) && !packet.is_cut;
    RequestAnswer answer;
    answer.socket = request.socket;
    answer.kind = static_cast<uint32_t>(request.kind);
    answer.result = !is_whole ? -EPROTO : packet.lacks_fds ? -EMFILE : carry_out(request, std::move(fds));
    // whoever asks so much without reading is not the shim
    if (send(control, &answer, sizeof answer, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return false;
  }
}

}  // namespace nacelle::relay
