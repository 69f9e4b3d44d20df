#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../egress/refusals.h"
#include "endpoint.h"

// What is said to the two processes that carry streams (modes/relay.h), and between them, on three SOCK_SEQPACKET sockets:
//
//   shim ──requests──▶ relay         kPeer, kServe, kStop
//   shim ──requests──▶ connector     kPeer, kAllow, kStop
//   relay ──dials──▶ connector       over the pair of sockets that kPeer has brought to both
//
// A request: kind (u8), number of the listening socket (u64; of kPeer 0), then
//
//   kPeer    one descriptor: a socket to the other process, in the place of the one before
//   kServe   one descriptor: a listening TCP socket; owner (u64): the container; endpoints: count (u32), each an address (bytes) and a
//            port (u32). A connection goes to the first of them that takes it
//   kAllow   endpoints, as above: where the connections of that socket may go, and nowhere else
//   kGuide   (relay) three to five descriptors: one or two listening TCP sockets; one of UDP by which names of the container's networks are
//            asked for, where it may have any; and those at which the container asks about names, of UDP and of TCP; owner; whether it has
//            IPv6 (u8), and that one of UDP (u8); its list: texts (egress/policy.h). Where a connection goes follows from
//            where it was meant to go (egress/guide.h). While it is served, the relay tells of each Refusal with a message of its own
//   kList    (connector) its list: where the connections of that socket may go, in the place of the one before
//   kChange  (relay) another list for what is guided. Streams that it does not allow end
//   kStop    nothing more. The relay ends the socket's streams too
//
// Each request gets one RequestAnswer, in the same order. The first answer comes without a request, with kind 0, once the process stands
// ready.
//
// A dial: stream (u64), number of the listening socket (u64), a name (bytes, '' for none); without a name an endpoint, else a port (u32).
// The connector looks for an endpoint among those of kAllow, or asks the list of kList, whatever the relay has made of what a container
// sent, and answers with a DialAnswer. When its result is 0, a descriptor comes with it: a non-blocking socket that is being connected, or
// is connected. A stream alone (u64) says that it is over: a dial of its that is not answered yet is answered now, with ECANCELED. So each
// dial has one answer.
namespace nacelle::relay {

enum class RequestKind : uint8_t { kPeer = 1, kServe = 2, kAllow = 3, kStop = 4, kGuide = 5, kList = 6, kRefused = 7, kChange = 8 };

struct RequestAnswer {
  uint64_t socket = 0;
  int32_t result = 0;  // 0 or -errno: EEXIST, ENOENT, EINVAL (no such socket), EMFILE, EPROTO (no such request)
  uint32_t kind = 0;
};
static_assert(sizeof(RequestAnswer) == 16);

struct DialAnswer {
  uint64_t stream = 0;
  // 0 or -errno: EACCES (not allowed), EPERM (no address to which a name may lead), ECANCELED, what socket(2) or connect(2) says
  int32_t result = 0;
  uint32_t address_size = 0;
  uint8_t address[16] = {};  // of a name: that was refused; by a list, also that is connected
  uint32_t is_own = 0;       // the address is one of the machine's
  uint32_t unused = 0;
};
static_assert(sizeof(DialAnswer) == 40);

// Of requests, and of dials: so that no socket is ever full.
constexpr size_t kMostUnanswered = 64;
// With one request.
constexpr size_t kMostDescriptors = 5;
constexpr size_t kMaxRequest = 65536;
// The bytes of a list's texts, so that a request with them is no longer than that: no text is shorter than 8 bytes, and each has 5 more.
constexpr size_t kMaxRules = 32768;

struct Request {
  RequestKind kind = RequestKind::kStop;
  uint64_t socket = 0, owner = 0;
  std::vector<Endpoint> endpoints;
  bool has_ipv6 = false, has_peers = false;
  std::vector<std::string> rules;
};

struct Dial {
  uint64_t stream = 0, socket = 0;
  Endpoint to;
  std::string name;
};

std::string bytes_of(const Request& request);
std::string bytes_of(const Dial& dial);
// False when the bytes are not exactly one; what could be read of it is there all the same.
bool read_request(const char* data, size_t size, Request& out);
bool read_dial(const char* data, size_t size, Dial& out);
// That a stream is over.
std::string bytes_of_end(uint64_t stream);
bool read_end(const char* data, size_t size, uint64_t& stream);

// What the relay tells of: a RequestAnswer with kind kRefused, and behind it port (u32), lost (u64), address (of 0, 4 or 16 bytes) and host
// (bytes).
std::string bytes_of(uint64_t socket, const egress::Refusal& refusal);
bool read_refusal(const char* data, size_t size, egress::Refusal& out);
constexpr size_t kMaxRefusal = 512;

}  // namespace nacelle::relay
