#pragma once

#include <sys/socket.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nacelle::names {

struct NameServer {
  sockaddr_storage address = {};
  socklen_t size = 0;
};

// The servers of a resolv.conf(5), at most three, at port 53. One without any stands for the machine itself, as for the C library.
std::vector<NameServer> parse_resolv_conf(std::string_view text);

// The servers in a file, which is read again when it has changed. What could not be read says what it said before; at first that there
// are no servers.
class ResolvConf {
 public:
  explicit ResolvConf(std::string path) : path_(std::move(path)) {}
  std::shared_ptr<const std::vector<NameServer>> servers();

 private:
  std::string path_;
  struct stat seen_ = {};
  bool is_settled_ = false;
  std::shared_ptr<const std::vector<NameServer>> servers_ = std::make_shared<const std::vector<NameServer>>();
};

}  // namespace nacelle::names
