#include "planner.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace nacelle {
namespace {

bool is_unset(const FrontFile& file, const char* variable) {
  for (const std::string& name : file.unset) {
    if (std::strncmp(variable, name.c_str(), name.size()) == 0 && variable[name.size()] == '=') return true;
  }
  return false;
}

}  // namespace

int become_planner(const FrontFile& file, int argc, char** argv, int command_at, int told) {
  const std::string number = std::to_string(told);
  std::vector<const char*> arguments{file.node.c_str(), file.script.c_str()};
  for (int at = 0; at < argc; ++at) {
    arguments.push_back(argv[at]);
    if (told < 0 || at != command_at) continue;
    arguments.push_back("--told");
    arguments.push_back(number.c_str());
  }
  arguments.push_back(nullptr);
  std::vector<char*> variables;
  for (char** at = environ; *at != nullptr; ++at) {
    if (!is_unset(file, *at)) variables.push_back(*at);
  }
  variables.push_back(nullptr);
  execve(file.node.c_str(), const_cast<char* const*>(arguments.data()), variables.data());
  std::fprintf(stderr, "nacelle-oci: run %s: %s\n", file.node.c_str(), std::strerror(errno));
  return 1;
}

}  // namespace nacelle
