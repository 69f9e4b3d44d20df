#include "resolv_conf.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "../kernel/unique_fd.h"

namespace nacelle::names {
namespace {

constexpr size_t kMostServers = 3, kMostBytes = 65536;
constexpr uint16_t kPort = 53;

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view take_word(std::string_view& line) {
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  size_t size = 0;
  while (size < line.size() && !is_blank(line[size])) ++size;
  const std::string_view word = line.substr(0, size);
  line.remove_prefix(size);
  return word;
}

// The number of a link: 'eth0', or '2'. 0 for none. The C library's if_nametoindex() wants a socket that confine.cc doesn't allow.
uint32_t scope_of(const std::string& text) {
  char* end = nullptr;
  const unsigned long number = std::strtoul(text.c_str(), &end, 10);
  if (!text.empty() && *end == '\0') return static_cast<uint32_t>(number);
  struct ifreq link = {};
  if (text.size() >= sizeof link.ifr_name) return 0;
  text.copy(link.ifr_name, text.size());
  const unique_fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return any && ioctl(any.get(), SIOCGIFINDEX, &link) == 0 ? static_cast<uint32_t>(link.ifr_ifindex) : 0;
}

bool parse_server(const std::string& text, NameServer& out) {
  auto* const ipv4 = reinterpret_cast<sockaddr_in*>(&out.address);
  if (inet_pton(AF_INET, text.c_str(), &ipv4->sin_addr) == 1) {
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(kPort);
    out.size = sizeof *ipv4;
    return true;
  }
  const size_t percent = text.find('%');
  auto* const ipv6 = reinterpret_cast<sockaddr_in6*>(&out.address);
  if (inet_pton(AF_INET6, text.substr(0, percent).c_str(), &ipv6->sin6_addr) != 1) return false;
  ipv6->sin6_family = AF_INET6;
  ipv6->sin6_port = htons(kPort);
  if (percent != std::string::npos) ipv6->sin6_scope_id = scope_of(text.substr(percent + 1));
  out.size = sizeof *ipv6;
  return true;
}

bool same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

// A file that is missing says nothing. False for one that can't be read.
bool read_text(const char* path, std::string& text) {
  const unique_fd file(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file) return errno == ENOENT;
  text.resize(kMostBytes);
  ssize_t size;
  do {
    size = pread(file.get(), text.data(), text.size(), 0);
  } while (size < 0 && errno == EINTR);
  text.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return size >= 0;
}

}  // namespace

std::vector<NameServer> parse_resolv_conf(std::string_view text) {
  std::vector<NameServer> servers;
  while (!text.empty() && servers.size() < kMostServers) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (take_word(line) != "nameserver") continue;
    NameServer server;
    if (parse_server(std::string(take_word(line)), server)) servers.push_back(server);
  }
  if (servers.empty()) parse_server("127.0.0.1", servers.emplace_back());
  return servers;
}

// Two changes within the clock's resolution look alike: what has just changed is read once more.
std::shared_ptr<const std::vector<NameServer>> ResolvConf::servers() {
  struct stat now = {};
  static_cast<void>(stat(path_.c_str(), &now));  // a file that is missing is one of size 0
  if (is_settled_ && same(now, seen_)) return servers_;
  timespec clock{};
  clock_gettime(CLOCK_REALTIME, &clock);
  is_settled_ = clock.tv_sec > now.st_mtim.tv_sec + 1;
  seen_ = now;
  std::string text;
  if (read_text(path_.c_str(), text)) {
    servers_ = std::make_shared<const std::vector<NameServer>>(parse_resolv_conf(text));
  } else {
    is_settled_ = false;
  }
  return servers_;
}

}  // namespace nacelle::names
