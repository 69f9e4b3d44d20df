#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "../modes/pasta_process.h"
#include "steps.h"

namespace nacelle {

int run(Context& context, const args::start_pasta& a) {
  PastaService service{{a.path.text, a.path.size}, {}, unique_fd(fcntl(context.slots.get(a.ns), F_DUPFD_CLOEXEC, 3))};
  if (!service.network) return -errno;
  for (const Str& argument : a.arguments) service.arguments.emplace_back(argument.text, argument.size);
  unique_fd said;
  const int result = context.pasta->start(context.served_id, std::move(service), said);
  return result < 0 ? result : context.slots.put(a.out, std::move(said));
}

// The end of what it prints is its own end.
int run(Context& context, const args::await_pasta& a) {
  constexpr size_t kSome = 4096;
  std::string printed;
  for (;;) {
    char bytes[kSome];
    const ssize_t size = read(context.slots.get(a.said), bytes, sizeof bytes);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return -errno;
    printed.append(bytes, static_cast<size_t>(size));
    const PastaWords pasta = read_pasta(printed);
    if (pasta.is_ready) return 0;
    if (size == 0) return context.failed(-ENETUNREACH, pasta.words.c_str());
    if (printed.size() > 16 * kSome) printed.erase(0, printed.size() - kSome);
  }
}

int run(Context& context, const args::keep_pasta&) { return context.pasta->keep(context.served_id); }

int run(Context& context, const args::stop_pasta&) {
  context.pasta->stop(context.served_id);
  return 0;
}

}  // namespace nacelle
