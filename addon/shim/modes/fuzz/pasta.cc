#include <algorithm>
#include <cstdint>
#include <string>

#include "../../kernel/fuzz/require.h"
#include "../pasta_process.h"

// libFuzzer target for what pasta prints, which has read packets of a container: it stands as soon as a line is a number, whatever came
// before and comes after, and its words are one line.
using namespace nacelle;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string printed(reinterpret_cast<const char*>(data), size);
  const PastaWords words = read_pasta(printed);
  require(words.words.find('\n') == std::string::npos && words.words.size() <= 2 * size);
  require(!read_pasta(printed.substr(0, size / 2)).is_ready || words.is_ready);
  // a line that is not at its end yet says nothing
  const size_t whole = printed.rfind('\n') == std::string::npos ? 0 : printed.rfind('\n') + 1;
  const PastaWords same = read_pasta(printed.substr(0, whole));
  require(same.is_ready == words.is_ready && same.words == words.words);
  require(read_pasta(printed.substr(0, whole) + "42\n").is_ready);
  return 0;
}
