#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../../kernel/fuzz/require.h"
#include "../front_call.h"
#include "../front_file.h"
#include "../front_plans.h"
#include "../resident.h"

// libFuzzer target for what the front of nacelle-oci reads: the plans beside a record, the file of `nacelle-oci install`, a command line
// whose words end with NUL. The first byte says which it is.
namespace {

using namespace nacelle;

void take_plans(std::string_view text) {
  FrontPlans plans;
  if (!read_front_plans(text, plans)) return;
  require(plans.container.pid > 0 && !plans.container.freezer.empty());
  for (const FrontPlan& plan : plans.plans) {
    require(!plan.steps.empty() && plans.find(plan.command, plan.status) == &plan);
    for (const FrontStep& step : plan.steps) require(step.index() != 0);
  }
  // a text that is cut anywhere is none
  FrontPlans cut;
  require(!read_front_plans(text.substr(0, text.size() - 1), cut));
}

void take_file(std::string_view text) {
  FrontFile file;
  if (read_front_file(text, file)) require(file.node[0] == '/' && file.script[0] == '/' && (!file.is_known || file.root[0] == '/'));
}

void take_call(std::string text) {
  text.push_back('\0');
  std::vector<const char*> words;
  for (size_t at = 0; at < text.size(); at = text.find('\0', at) + 1) words.push_back(text.data() + at);
  PlannedCall planned;
  if (read_planned_call(static_cast<int>(words.size()), words.data(), "/run/x", planned)) require(planned.root[0] == '/');
  FrontCall call;
  if (!read_front_call(static_cast<int>(words.size()), words.data(), "/run/x", call)) return;
  require(call.root[0] == '/' && call.root.find("/../") == std::string::npos && call.id.find('/') == std::string::npos && call.id != "..");
  require(call.signal >= 0 && call.signal <= 64 && (call.signal == 0 || call.command.compare(0, 4, "kill") == 0));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 0) take_plans(rest);
  if (data[0] % 3 == 1) take_file(rest);
  if (data[0] % 3 == 2) take_call(std::string(rest));
  return 0;
}
