#include "../netlink.h"

#include <cstring>
#include <memory>
#include <string>

#include "../../kernel/fuzz/require.h"
#include "../netlink_batch.h"

// libFuzzer target for what the kernel answers: to one request, and to a batch. Nothing is read beyond the datagram, the words of an error
// end in it, and what is kept of the answers is whole messages.
namespace {

using namespace nacelle;

void check_request(const char* data, size_t size) {
  Slots slots;
  Context context(slots);
  std::string answers;
  const int result = read_answers(context, data, size, answers);
  require(result <= 1);
  require(std::memchr(context.text, '\0', sizeof context.text) != nullptr);
  size_t at = 0;
  while (next_message(answers.data(), answers.size(), at) != nullptr) continue;
  require(at == answers.size());
}

void check_batch(const char* data, size_t size) {
  BatchAnswers answers;
  read_batch_answers(data, size, answers);
  require(answers.error <= 0);
  require(std::memchr(answers.text, '\0', sizeof answers.text) != nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // memory of its own, so that the sanitizers see each byte beyond its end
  const std::unique_ptr<char[]> datagram(new char[size]);
  if (size > 0) std::memcpy(datagram.get(), data, size);
  check_request(datagram.get(), size);
  check_batch(datagram.get(), size);
  return 0;
}
