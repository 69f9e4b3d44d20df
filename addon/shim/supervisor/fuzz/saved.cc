#include <string>
#include <vector>

#include "../../wire/saved.h"

// libFuzzer target for the state that a shim leaves to a newer one. What was read and is written again reads the same.
namespace {

using namespace nacelle;

void walk(Found& found, int depth) {
  static_cast<void>(found.number("key"));
  static_cast<void>(found.text("plan"));
  if (depth == 0) return;
  for (const char* name : {"clients", "tasks", "run"}) {
    for (Found& item : found.list(name)) walk(item, depth - 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  Found found;
  if (!found.read(bytes)) return 0;
  walk(found, 3);
  std::vector<int> kept;
  Saved saved(kept);
  saved.number("key", found.number("key")).text("plan", found.text("plan")).add("tasks", saved.inner().text("inner", bytes));
  Found again;
  if (!again.read(saved.bytes()) || again.text("plan") != found.text("plan") || again.list("tasks").front().text("inner") != bytes) {
    __builtin_trap();
  }
  return 0;
}
