#include "relay.h"

#include "../relay/connector.h"
#include "../relay/datagram_server.h"
#include "../relay/relay_filter.h"
#include "../relay/relay_server.h"
#include "confined_server.h"

namespace nacelle {
namespace {

constexpr char kResolvConf[] = "/etc/resolv.conf";
constexpr size_t kMost = 16384;
// A stream has two sockets, and two pipes while both directions are stuck; a flow of datagrams has a socket. Half of the descriptors are
// for listening sockets and those that are on their way.
constexpr size_t kStreamPart = 12, kFlowPart = 2;

template <typename Server>
[[noreturn]] void serve(Server& server, int (*confine)(const char*), const char* name) {
  serve_confined<relay::RequestAnswer>(
      kRelayControl, server, [&server] { return server.open(); }, confine, name);
}

}  // namespace

void relay_main() {
  static relay::RelayServer server(kRelayControl, share_of_files(kMost, kStreamPart));
  serve(server, relay::confine_relay, kRelayName);
}

void connector_main() {
  static relay::Connector server(kRelayControl, kResolvConf);
  serve(server, relay::confine_connector, kConnectorName);
}

void datagrams_main() {
  static relay::DatagramServer server(kRelayControl, share_of_files(kMost, kFlowPart));
  serve(server, relay::confine_datagrams, kDatagramsName);
}

}  // namespace nacelle
