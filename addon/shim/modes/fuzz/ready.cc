#include <cstdint>
#include <string>

#include "../../kernel/fuzz/require.h"
#include "../ready_message.h"

// libFuzzer target for what a container sends to its NOTIFY_SOCKET: a line counts wherever it stands, and only as a whole.
using namespace nacelle;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string message(reinterpret_cast<const char*>(data), size);
  const bool is_ready = tells_ready(message);
  require(!is_ready || message.find("READY=1") != std::string::npos);
  require(tells_ready("\n" + message) == is_ready && tells_ready(message + "\n") == is_ready);
  require(tells_ready(message + "\nREADY=1") && tells_ready("READY=1\n" + message));
  const bool can_begin_line = message.find('\n') == std::string::npos && message != "";
  require(!can_begin_line || !tells_ready("READY=1" + message));
  return 0;
}
