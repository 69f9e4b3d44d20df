#include "special_addresses.h"

#include <algorithm>

namespace nacelle::egress {
namespace {

std::vector<Block> blocks_of(const std::vector<const char*>& texts) {
  std::vector<Block> blocks;
  for (const char* text : texts) {
    Block block;
    if (parse_block(text, block)) blocks.push_back(block);
  }
  return blocks;
}

Block block_of(const char* text) { return blocks_of({text}).front(); }

// The narrower one first where one lies in another.
const std::vector<Block>& special_blocks() {
  static const std::vector<Block> blocks = blocks_of({
      "0.0.0.0/8",         // this network; Linux takes 0.0.0.0 for the machine itself
      "10.0.0.0/8",        // private (RFC 1918)
      "100.64.0.0/10",     // shared (RFC 6598); Alibaba's metadata
      "127.0.0.0/8",       // loopback
      "168.63.129.16/32",  // Azure's metadata, which looks public
      "169.254.0.0/16",    // link-local; metadata of most clouds
      "172.16.0.0/12",     // private
      "192.0.0.0/24",      // protocols of the IETF; Oracle's metadata
      "192.0.2.0/24",      // examples
      "192.88.99.0/24",    // relays of 6to4
      "192.168.0.0/16",    // private
      "198.18.0.0/15",     // benchmarks; the addresses that stand for names here
      "198.51.100.0/24",   // examples
      "203.0.113.0/24",    // examples
      "224.0.0.0/4",       // multicast
      "240.0.0.0/4",       // reserved, and broadcast
      "fc00::/7",          // unique local (RFC 4193); metadata of AWS
      "fe80::/10",         // link-local
      "fec0::/10",         // site-local
      "ff00::/8",          // multicast
      "::/128",            // unspecified
      "::1/128",           // loopback
      "64:ff9b:1::/48",    // NAT64 of a network's own (RFC 8215): where the IPv4 address is in it only that network knows
      "2001::/23",         // protocols of the IETF: Teredo, which has an IPv4 address in it, benchmarks, ORCHID
      "2001:db8::/32",     // examples
      "3fff::/20",         // examples
      "::/3",              // all that is not 2000::/3 is given to nobody
      "4000::/2",
      "8000::/1",
  });
  return blocks;
}

}  // namespace

std::vector<std::string> ends_of(const std::string& address) {
  static const Block mapped = block_of("::ffff:0:0/96"), nat64 = block_of("64:ff9b::/96"), six_to_four = block_of("2002::/16");
  if (mapped.contains(address)) return {address.substr(12)};
  if (nat64.contains(address)) return {address, address.substr(12)};
  if (six_to_four.contains(address)) return {address, address.substr(2, names::kIpv4Size)};
  return {address};
}

const Block* special_block(const std::string& address) {
  // it is as public as the address inside
  static const Block nat64 = block_of("64:ff9b::/96");
  if (nat64.contains(address)) return nullptr;
  const std::vector<Block>& blocks = special_blocks();
  const auto found = std::find_if(blocks.begin(), blocks.end(), [&](const Block& block) { return block.contains(address); });
  return found == blocks.end() ? nullptr : &*found;
}

}  // namespace nacelle::egress
