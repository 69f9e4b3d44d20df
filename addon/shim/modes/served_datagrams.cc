#include "served_datagrams.h"

#include <utility>

#include "relay.h"

namespace nacelle {
namespace {

using relay::RequestKind;

}  // namespace

int ServedDatagrams::serve(int executable, uint64_t owner, int64_t slot, unique_fd socket, const relay::Endpoint& to) {
  executable_ = executable;
  const uint64_t number = ++last_;
  ports_[number] = {owner, slot, {std::make_shared<const unique_fd>(std::move(socket))}, to};
  if (process_.pid() != 0) return tell(number), 0;
  const int result = start();
  if (result < 0) ports_.erase(number);
  return result;
}

void ServedDatagrams::stop(uint64_t owner, int64_t first, int64_t last) {
  bool has_stopped = false;
  for (auto item = ports_.begin(); item != ports_.end();) {
    const auto& [number, port] = *item;
    if (port.owner != owner || port.slot < first || port.slot > last) {
      ++item;
      continue;
    }
    process_.drop(number);
    relay::Request request;
    request.kind = RequestKind::kStop;
    request.socket = number;
    process_.ask(request, {});
    item = ports_.erase(item);
    has_stopped = true;
  }
  if (!has_stopped || !ports_.empty()) return;
  idle_.start(loop_, monotonic_ns() + kLinger, [this] {
    // its socket is closed, so it ends
    if (ports_.empty()) process_.forget();
  });
}

void ServedDatagrams::ended() {
  process_.forget();
  if (!ports_.empty()) start_later();
}

// Datagrams wait in their sockets meanwhile.
void ServedDatagrams::start_later() {
  again_.start(loop_, monotonic_ns() + pause_.next(), [this] {
    if (process_.pid() == 0 && !ports_.empty() && start() < 0) start_later();
  });
}

int ServedDatagrams::start() {
  const auto told = [this](const relay::RequestAnswer& answer) {
    if (answer.kind == 0 && answer.result == 0) pause_.begin_anew();
  };
  const int result = process_.start(executable_, kDatagramsName, told, [](uint64_t, const egress::Refusal&) {});
  if (result < 0) return result;
  for (const auto& entry : ports_) tell(entry.first);
  return 0;
}

void ServedDatagrams::tell(uint64_t number) {
  const Served& port = ports_.at(number);
  relay::Request request;
  request.kind = RequestKind::kServe;
  request.socket = number;
  request.owner = port.owner;
  request.endpoints = {port.to};
  process_.ask(request, port.fds);
}

void ServedDatagrams::save(Saved& to) const {
  for (const auto& entry : ports_) {
    const Served& port = entry.second;
    std::string endpoint;
    Writer writer(endpoint);
    relay::write_endpoint(writer, port.to);
    Saved item = to.inner();
    item.number("owner", port.owner).number("slot", static_cast<uint64_t>(port.slot)).text("to", endpoint).fd("fd", port.fds[0]->get());
    to.add("ports", item);
  }
}

void ServedDatagrams::find(const Found& found, int executable) {
  executable_ = executable;
  for (const Found& item : found.list("ports")) {
    Served port{item.number("owner"), static_cast<int64_t>(item.number("slot")), {}, {}};
    port.fds.push_back(std::make_shared<const unique_fd>(item.fd("fd")));
    const std::string endpoint = item.text("to");
    Reader reader(endpoint.data(), endpoint.size());
    if (relay::read_endpoint(reader, port.to)) ports_.emplace(++last_, std::move(port));
  }
  if (!ports_.empty() && start() < 0) start_later();
}

}  // namespace nacelle
