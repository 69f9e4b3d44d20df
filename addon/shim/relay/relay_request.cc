#include "relay_request.h"

#include <cstring>

#include "../names/address.h"
#include "../names/dns_message.h"

namespace nacelle::relay {
namespace {

void write_rules(Writer& writer, const std::vector<std::string>& rules) {
  writer.u32(static_cast<uint32_t>(rules.size()));
  for (const std::string& rule : rules) writer.str(rule.c_str());
}

bool read_flag(Reader& reader, bool& out) {
  const uint8_t flag = reader.u8();
  out = flag == 1;
  return flag <= 1;
}

bool read_rules(Reader& reader, std::vector<std::string>& out) {
  const List<Str> rules = reader.list<Str>();
  if (!reader.ok() || !reader.done()) return false;
  for (const Str& rule : rules) out.emplace_back(rule.text, rule.size);
  return true;
}

}  // namespace

std::string bytes_of(const Request& request) {
  std::string bytes;
  Writer writer(bytes);
  writer.u8(static_cast<uint8_t>(request.kind)).num(request.socket);
  if (request.kind == RequestKind::kServe || request.kind == RequestKind::kGuide) writer.num(request.owner);
  if (request.kind == RequestKind::kGuide) writer.u8(request.has_ipv6 ? 1 : 0).u8(request.has_peers ? 1 : 0);
  const bool has_rules = request.kind == RequestKind::kGuide || request.kind == RequestKind::kList || request.kind == RequestKind::kChange;
  if (has_rules) write_rules(writer, request.rules);
  if (request.kind == RequestKind::kServe || request.kind == RequestKind::kAllow) write_endpoints(writer, request.endpoints);
  return bytes;
}

std::string bytes_of(const Dial& dial) {
  std::string bytes;
  Writer writer(bytes);
  writer.num(dial.stream).num(dial.socket);
  writer.bytes(dial.name.data(), dial.name.size());
  if (dial.name.empty()) write_endpoint(writer, dial.to);
  if (!dial.name.empty()) writer.u32(dial.to.port);
  return bytes;
}

bool read_request(const char* data, size_t size, Request& out) {
  Reader reader(data, size);
  out = {};
  out.kind = static_cast<RequestKind>(reader.u8());
  out.socket = reader.num();
  switch (out.kind) {
    case RequestKind::kServe:
      out.owner = reader.num();
      return read_endpoints(reader, out.endpoints) && reader.done();
    case RequestKind::kAllow:
      return read_endpoints(reader, out.endpoints) && reader.done();
    case RequestKind::kGuide:
      out.owner = reader.num();
      return read_flag(reader, out.has_ipv6) && read_flag(reader, out.has_peers) && read_rules(reader, out.rules);
    case RequestKind::kList:
    case RequestKind::kChange:
      return read_rules(reader, out.rules);
    case RequestKind::kRefused:
      return false;
    case RequestKind::kPeer:
    case RequestKind::kStop:
      return reader.ok() && reader.done();
  }
  return false;
}

bool read_dial(const char* data, size_t size, Dial& out) {
  Reader reader(data, size);
  out.stream = reader.num();
  out.socket = reader.num();
  const Bytes name = reader.bytes();
  out.name.assign(name.data, name.size);
  out.to = {};
  if (out.name.empty()) return read_endpoint(reader, out.to) && reader.done();
  const uint32_t port = reader.u32();
  out.to.port = static_cast<uint16_t>(port);
  return reader.ok() && reader.done() && port == out.to.port && names::is_name(out.name);
}

std::string bytes_of_end(uint64_t stream) {
  std::string bytes;
  Writer(bytes).num(stream);
  return bytes;
}

bool read_end(const char* data, size_t size, uint64_t& stream) {
  Reader reader(data, size);
  stream = reader.num();
  return reader.ok() && reader.done();
}

std::string bytes_of(uint64_t socket, const egress::Refusal& refusal) {
  RequestAnswer head;
  head.socket = socket;
  head.kind = static_cast<uint32_t>(RequestKind::kRefused);
  std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
  Writer(bytes)
      .u32(refusal.port)
      .num(refusal.lost)
      .bytes(refusal.address.data(), refusal.address.size())
      .bytes(refusal.host.data(), refusal.host.size());
  return bytes;
}

bool read_refusal(const char* data, size_t size, egress::Refusal& out) {
  if (size < sizeof(RequestAnswer)) return false;
  Reader reader(data + sizeof(RequestAnswer), size - sizeof(RequestAnswer));
  const uint32_t port = reader.u32();
  out.port = static_cast<uint16_t>(port);
  out.lost = reader.num();
  const Bytes address = reader.bytes(), host = reader.bytes();
  out.address.assign(address.data, address.size);
  out.host.assign(host.data, host.size);
  const bool is_address = address.size == 0 || address.size == names::kIpv4Size || address.size == names::kIpv6Size;
  return reader.ok() && reader.done() && port == out.port && is_address;
}

}  // namespace nacelle::relay
