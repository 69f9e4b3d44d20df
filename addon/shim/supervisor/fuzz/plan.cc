#include <cstring>
#include <string>

#include "../../kernel/fuzz/require.h"
#include "../../steps/shim_table.h"
#include "../../wire/plan.h"

// libFuzzer target for plans and their translation: bytes of a client's, or of the shim before.
// With our own table a translation changes nothing. With the lines of each kind in the opposite order, what it gives is ours.
namespace {

using namespace nacelle;

std::string reversed_table() {
  std::string steps, parts;
  const std::string table = kOwnTable;
  for (size_t at = 0, end = 0; (end = table.find('\n', at)) != std::string::npos; at = end + 1) {
    const std::string line = table.substr(at, end - at + 1);
    (line.compare(0, 4, "step") == 0 ? steps : parts).insert(0, line);
  }
  return steps + parts;
}

bool is_plan(const std::string& bytes) {
  Plan plan;
  if (!parse_plan(bytes.data(), bytes.size(), plan)) return false;
  static_cast<void>(is_known(plan, true));
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Translation own, reversed;
  static const bool is_ready = [] {
    own.read(kOwnTable);
    reversed.read(reversed_table());
    return true;
  }();
  require(is_ready);
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  std::string copy = bytes;
  if (own.plan(copy.data(), copy.size())) require(copy == bytes);
  copy = bytes;
  if (own.call(copy.data(), copy.size())) require(copy == bytes);
  copy = bytes;
  if (reversed.plan(copy.data(), copy.size())) {
    const std::string ours = copy;
    require(own.plan(copy.data(), copy.size()) && copy == ours);
  }
  is_plan(bytes);
  return 0;
}
