#pragma once

#include <cstdint>

// What is said on the control socket of the names mode (modes/names.h), a SOCK_SEQPACKET socket.
//
//   kind (u8), id (u64); of kServe and kChange then: forwards (u8), count of networks (u32), networks (str)
//
// Each request gets one answer, in the same order. The first answer comes without a request, with id 0, once the process stands ready.
namespace nacelle::names {

enum class RequestKind : uint8_t {
  kServe = 1,   // with two descriptors: a bound UDP socket, a listening TCP socket
  kChange = 2,  // other networks for what is served
  kStop = 3,
};

struct RequestAnswer {
  uint64_t id = 0;
  int32_t result = 0;  // 0 or -errno: EEXIST, ENOENT, EINVAL (no such sockets), EMFILE, EPROTO (no such request)
  uint32_t reserved = 0;
};
static_assert(sizeof(RequestAnswer) == 16);

constexpr size_t kMaxRequest = 65536;

}  // namespace nacelle::names
