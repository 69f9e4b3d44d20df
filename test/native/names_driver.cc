#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "../../addon/shim/modes/names_process.h"
#include "../../addon/shim/names/answer.h"
#include "hex.h"

// The names code by itself, and its process as the shim would start it. For tests.
//
//   names_driver answer udp|tcp NETWORK[,NETWORK] yes|no FILE...    answers queries from members' files, 'yes' forwards
//   names_driver serve SHIM FOLDER RESOLV_CONF                      starts the process, and carries out commands
//
// Both read lines from stdin, and write a line for each. A query is in hexadecimal digits; so is its answer, or 'nothing', or 'forward'.
// The commands are these, where NAMESPACE is a path or '-'. The first line is the process's pid and how it started; the line of a command
// is 0 or -errno.
//
//   serve ID NAMESPACE ADDRESS PORT yes|no NETWORK[,NETWORK]
//   change ID yes|no NETWORK[,NETWORK]
//   stop ID
namespace {

using namespace nacelle;

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

std::string read_all(const char* path) {
  std::string text;
  const unique_fd file(open(path, O_RDONLY | O_CLOEXEC));
  char buffer[4096];
  for (ssize_t size; (size = read(file.get(), buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(size));
  return text;
}

int answer_lines(int count, char** arguments) {
  names::Database database;
  for (int i = 5; i < count; ++i) {
    names::Member member;
    const bool is_fine = names::parse_member(read_all(arguments[i]), member);
    if (is_fine) database.put(arguments[i], std::move(member));
  }
  const names::Scope scope{split(arguments[3]), std::strcmp(arguments[4], "yes") == 0};
  const bool is_tcp = std::strcmp(arguments[2], "tcp") == 0;
  for (std::string line; std::getline(std::cin, line);) {
    names::Query query;
    std::string out;
    switch (names::answer(from_hex(line), is_tcp, scope, database, query, out)) {
      case names::Outcome::kNothing:
        std::cout << "nothing\n";
        break;
      case names::Outcome::kForward:
        std::cout << "forward\n";
        break;
      case names::Outcome::kAnswer:
        std::cout << to_hex(out) << '\n';
    }
  }
  return 0;
}

// A socket at an address, in the current network namespace. Without one, errno is set.
unique_fd bound_socket(const std::string& address, uint16_t port, int type) {
  const bool is_ipv6 = address.find(':') != std::string::npos;
  sockaddr_in ipv4{};
  ipv4.sin_family = AF_INET;
  ipv4.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &ipv4.sin_addr);
  sockaddr_in6 ipv6{};
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_port = htons(port);
  inet_pton(AF_INET6, address.c_str(), &ipv6.sin6_addr);
  const auto* const where = is_ipv6 ? reinterpret_cast<const sockaddr*>(&ipv6) : reinterpret_cast<const sockaddr*>(&ipv4);
  unique_fd fd(socket(is_ipv6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
  const socklen_t size = is_ipv6 ? sizeof ipv6 : sizeof ipv4;
  const bool is_fine = fd && bind(fd.get(), where, size) == 0 && (type == SOCK_DGRAM || listen(fd.get(), 128) == 0);
  return is_fine ? std::move(fd) : unique_fd();
}

// The answer to what was asked: its result. The process's end is the driver's too.
int wait_for(Names& names) {
  int result = 0;
  bool has_come = false;
  while (!has_come) {
    pollfd waits{names.control(), POLLIN, 0};
    poll(&waits, 1, -1);
    const bool goes_on = names.read([&](const names::RequestAnswer& answer) {
      result = answer.result;
      has_come = true;
    });
    if (goes_on || has_come) continue;
    int status = 0;
    waitpid(names.pid(), &status, 0);
    std::cout << "ended " << status << std::endl;
    std::exit(1);
  }
  return result;
}

int serve(Names& names, std::istringstream& words) {
  uint64_t id = 0;
  uint16_t port = 0;
  std::string space, address, forwards, networks;
  words >> id >> space >> address >> port >> forwards >> networks;
  const unique_fd own(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (space != "-") {
    const unique_fd other(open(space.c_str(), O_RDONLY | O_CLOEXEC));
    if (setns(other.get(), CLONE_NEWNET) < 0) return -errno;
  }
  const unique_fd udp = bound_socket(address, port, SOCK_DGRAM), tcp = bound_socket(address, port, SOCK_STREAM);
  const int error = errno;
  if (setns(own.get(), CLONE_NEWNET) < 0) return -errno;
  if (!udp || !tcp) return -error;
  const int result = names.serve(id, udp.get(), tcp.get(), forwards == "yes", split(networks));
  return result < 0 ? result : wait_for(names);
}

int carry_out(Names& names, const std::string& line) {
  std::istringstream words(line);
  std::string command, forwards, networks;
  uint64_t id = 0;
  words >> command;
  if (command == "serve") return serve(names, words);
  words >> id >> forwards >> networks;
  const int result = command == "stop" ? names.stop(id) : names.change(id, forwards == "yes", split(networks));
  return result < 0 ? result : wait_for(names);
}

int serve_lines(char** arguments) {
  Names names;
  const unique_fd executable(open(arguments[2], O_PATH | O_CLOEXEC));
  const unique_fd folder(open(arguments[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const int started = names.start(executable.get(), folder.get(), arguments[4]);
  if (started < 0) return std::cerr << std::strerror(-started) << '\n', 1;
  std::cout << names.pid() << ' ' << wait_for(names) << std::endl;
  for (std::string line; std::getline(std::cin, line);) std::cout << carry_out(names, line) << std::endl;
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count >= 5 && std::strcmp(arguments[1], "answer") == 0) return answer_lines(count, arguments);
  if (count == 5 && std::strcmp(arguments[1], "serve") == 0) return serve_lines(arguments);
  return 2;
}
