#include "ready_message.h"

namespace nacelle {

bool tells_ready(std::string_view message) {
  for (;;) {
    const size_t end = message.find('\n');
    if (message.substr(0, end) == "READY=1") return true;
    if (end == std::string_view::npos) return false;
    message.remove_prefix(end + 1);
  }
}

}  // namespace nacelle
