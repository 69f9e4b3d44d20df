#include "planned_input.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "../kernel/memfd.h"
#include "../kernel/whole_text.h"
#include "front_call.h"

namespace nacelle {
namespace {

constexpr size_t kMostInput = 16 * 1024 * 1024;

bool is_file(const struct stat& status) { return S_ISREG(status.st_mode); }

bool begins_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

PlannedInput failed(int error) {
  std::fprintf(stderr, "nacelle-oci: read standard input: %s\n", std::strerror(error));
  return PlannedInput::kFailed;
}

PlannedInput keep_standard_input() {
  struct stat status {};
  if (fstat(STDIN_FILENO, &status) < 0) return failed(errno);
  if (is_file(status)) return PlannedInput::kReady;
  std::string text;
  int result = read_rest(STDIN_FILENO, kMostInput, text);
  if (result < 0) return failed(-result);
  unique_fd kept;
  result = sealed_memfd(text.data(), text.size(), kept);
  if (result < 0) return failed(-result);
  if (lseek(kept.get(), 0, SEEK_SET) < 0 || dup2(kept.get(), STDIN_FILENO) < 0) return failed(errno);
  return PlannedInput::kReady;
}

}  // namespace

PlannedInput prepare_input(const PlannedCall& call, int argc, const char* const* argv) {
  if (call.command != "update") return PlannedInput::kReady;
  const std::string_view resources = resources_of(argc, argv, call.command_at);
  if (resources == "-") return keep_standard_input();
  if (resources.empty()) return PlannedInput::kReady;
  if (begins_with(resources, "/proc/") || begins_with(resources, "/dev/")) return PlannedInput::kUnfit;
  struct stat status {};
  // of one that is not there the planner tells
  const bool is_there = stat(std::string(resources).c_str(), &status) == 0;
  return is_there && !is_file(status) ? PlannedInput::kUnfit : PlannedInput::kReady;
}

}  // namespace nacelle
