#pragma once

// The shim's file as a relay: processes beside a shim, which carry what goes between a container's network and another one, also while Node
// is busy or gone. Two carry streams:
//
//   program in the container ──▶ listening socket, made there ──▶ relay ──splice──▶ connection, made by the connector
//   program on this machine ───▶ published port at the loopback ─▶  │
//                                                                   └────dials────▶ connector
//
// The relay sees what a container sends, and can make no connection. The connector makes them, in the network namespace in which it is
// started, only where the shim has said that this socket's may go (relay/relay_request.h). A third carries the datagrams of published ports
// (relay/datagram_server.h).
namespace nacelle {

// The names under which they are executed, argv[0].
constexpr char kRelayName[] = "nacelle-relay", kConnectorName[] = "nacelle-connect", kDatagramsName[] = "nacelle-udp";

// Of all: the socket to the shim (relay/relay_request.h).
constexpr int kRelayControl = 0;

[[noreturn]] void relay_main();
[[noreturn]] void connector_main();
[[noreturn]] void datagrams_main();

}  // namespace nacelle
