#pragma once

#include <string>
#include <string_view>
#include <vector>

// A container as others on its networks find it. One file for each, in a folder (members_folder.h): renamed, or made so that the server may
// read it only when it is whole. A name that begins with a dot is none. A line for each network:
//
//   NETWORK ADDRESS[,ADDRESS…] NAME[ NAME…]
//
//   front 10.89.0.2,fd00:1::2 web 3f2a9c0d1e2f web-1 www
//
// NETWORK is any word. The names are all by which the network knows the container: its name, id, host name, aliases. The first is the one
// that its addresses have (PTR). Whoever writes the file decides all this.
namespace nacelle::names {

struct Place {
  std::string network;
  std::vector<std::string> addresses;  // address.h
  std::vector<std::string> names;      // in lower case
};
using Member = std::vector<Place>;

constexpr size_t kMaxMemberFile = 65536;

// False, when a line is none of these.
bool parse_member(std::string_view text, Member& out);

}  // namespace nacelle::names
