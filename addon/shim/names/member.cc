#include "member.h"

#include "address.h"
#include "dns_message.h"

namespace nacelle::names {
namespace {

// Takes what stands before the next separator, or all.
std::string_view take(std::string_view& text, char separator) {
  const size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

bool parse_line(std::string_view line, Place& place) {
  place.network = take(line, ' ');
  std::string_view addresses = take(line, ' ');
  while (!addresses.empty()) {
    std::string address;
    if (!parse_address(std::string(take(addresses, ',')), address)) return false;
    place.addresses.push_back(std::move(address));
  }
  while (!line.empty()) {
    const std::string_view name = take(line, ' ');
    if (!is_name(name)) return false;
    place.names.push_back(lowered(name));
  }
  return !place.network.empty() && !place.addresses.empty() && !place.names.empty();
}

}  // namespace

bool parse_member(std::string_view text, Member& out) {
  while (!text.empty()) {
    Place place;
    if (!parse_line(take(text, '\n'), place)) return false;
    out.push_back(std::move(place));
  }
  return true;
}

}  // namespace nacelle::names
