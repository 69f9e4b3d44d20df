#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "../egress/policy.h"
#include "../relay/relay_request.h"
#include "made_in.h"
#include "name_sockets.h"
#include "steps.h"

namespace nacelle {
namespace {

constexpr char kLoopback[] = "lo";

// 0 for what is no port.
uint16_t port_of(const Str& text) {
  constexpr unsigned long kLast = 65535;
  char* end = nullptr;
  const unsigned long port = std::strtoul(text.text, &end, 10);
  return *end != '\0' || port > kLast ? 0 : static_cast<uint16_t>(port);
}

// Listens for programs of its namespace alone: what comes in by another link never gets there, whatever address it is for.
int listen_at(const relay::Endpoint& at, unique_fd& out) {
  constexpr int kOn = 1;
  sockaddr_storage address;
  const socklen_t size = relay::socket_address(at, address);
  out.reset(socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!out) return -errno;
  if (setsockopt(out.get(), SOL_SOCKET, SO_BINDTODEVICE, kLoopback, sizeof kLoopback) < 0) return -errno;
  // connections of the run before may still be about to end
  if (setsockopt(out.get(), SOL_SOCKET, SO_REUSEADDR, &kOn, sizeof kOn) < 0) return -errno;
  if (bind(out.get(), reinterpret_cast<const sockaddr*>(&address), size) < 0) return -errno;
  return listen(out.get(), SOMAXCONN) < 0 ? -errno : 0;
}

// The texts of a list. 0 or -errno: EINVAL for one that is no rule.
int take_rules(const List<Str>& texts, std::vector<std::string>& out) {
  size_t size = 0;
  for (const Str& text : texts) {
    egress::Rule rule;
    size += text.size;
    if (size > relay::kMaxRules) return -E2BIG;
    if (!egress::parse_rule({text.text, text.size}, rule)) return -EINVAL;
    out.emplace_back(text.text, text.size);
  }
  return 0;
}

}  // namespace

int run(Context& context, const args::relay_ports& a) {
  std::vector<relay::Endpoint> at;
  std::vector<RelayedSocket> sockets;
  for (const Str& text : a.ports) {
    const uint16_t port = port_of(text);
    at.emplace_back();
    sockets.emplace_back();
    if (port == 0 || !relay::parse_endpoint(a.at.text, port, at.back())) return -EINVAL;
    for (const Str& address : a.to) {
      relay::Endpoint endpoint;
      if (!relay::parse_endpoint(address.text, port, endpoint)) return -EINVAL;
      sockets.back().to.push_back(endpoint);
    }
  }
  std::vector<unique_fd> listening;
  const auto listen_at_all = [&](std::vector<unique_fd>& made) {
    int result = 0;
    for (size_t i = 0; i < at.size() && result == 0; ++i) result = listen_at(at[i], made[i]);
    return result;
  };
  if (const int result = made_in(context.slots, a.ns, at.size(), listen_at_all, listening); result < 0) return result;
  for (size_t i = 0; i < sockets.size(); ++i) sockets[i].fd = std::move(listening[i]);
  return context.relay->serve(context.executable, context.served_id, std::move(sockets));
}

int run(Context& context, const args::serve_egress& a) {
  constexpr size_t kNameSockets = 2;
  std::vector<relay::Endpoint> at;
  for (const Str& text : a.at) {
    at.emplace_back();
    if (!relay::parse_endpoint(text.text, static_cast<uint16_t>(a.port), at.back())) return -EINVAL;
  }
  const bool has_peers = a.peers != 0;
  const size_t asking = has_peers ? 1 : 0;
  if (at.empty() || at.size() + asking + kNameSockets > relay::kMostDescriptors) return -EINVAL;
  std::vector<std::string> rules;
  if (const int result = take_rules(a.rules, rules); result < 0) return result;
  std::vector<unique_fd> made;
  const auto make = [&](std::vector<unique_fd>& out) {
    int result = 0;
    for (size_t i = 0; i < at.size() && result == 0; ++i) result = listen_at(at[i], out[i]);
    unique_fd asked[kNameSockets];
    if (result == 0) result = open_name_sockets(kNamesAddress, asked);
    if (result == 0 && has_peers) result = open_asking_socket(kPeersAddress, out[at.size()]);
    for (size_t i = 0; i < kNameSockets; ++i) out[at.size() + asking + i] = std::move(asked[i]);
    return result;
  };
  if (const int result = made_in(context.slots, a.ns, at.size() + asking + kNameSockets, make, made); result < 0) return result;
  GuidedSockets sockets;
  sockets.tcp = std::move(made.back());
  made.pop_back();
  sockets.udp = std::move(made.back());
  made.pop_back();
  if (has_peers) {
    sockets.peers = std::move(made.back());
    made.pop_back();
  }
  sockets.has_ipv6 = at.size() > 1;
  sockets.listening = std::move(made);
  sockets.rules = std::move(rules);
  return context.relay->guide(context.executable, context.served_id, std::move(sockets));
}

// Is tried again until both processes go by the list.
int run(Context& context, const args::change_egress& a) {
  if (!context.is_again) {
    std::vector<std::string> rules;
    if (const int result = take_rules(a.rules, rules); result < 0) return result;
    if (const int result = context.relay->change(context.served_id, rules); result < 0) return result;
  }
  return context.relay->goes_by_list(context.served_id);
}

// Is tried again until the relay has closed them.
int run(Context& context, const args::end_egress&) {
  if (!context.is_again) context.relay->end_guided(context.served_id);
  return context.relay->has_ended_guided(context.served_id);
}

int run(Context& context, const args::stop_relay&) {
  context.relay->stop(context.served_id, kNoSlot, kNoSlot);
  return 0;
}

}  // namespace nacelle
