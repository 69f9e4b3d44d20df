#include "play.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <variant>

#include "../kernel/file_io.h"
#include "../kernel/groups.h"
#include "../kernel/syscalls.h"
#include "../layer/remove_tree.h"
#include "refusal.h"

namespace nacelle {
namespace {

// For a control group whose last process is still dying: as long as the shim waits (supervisor/host_steps.h).
constexpr int kTries = 2500;
constexpr timespec kPause{0, 2'000'000};

Played done_if(int result) { return result < 0 ? Played::kFailed : Played::kDone; }

template <typename Work>
int until_free(Work work) {
  int result = -EBUSY;
  for (int tries = 0; tries < kTries && result == -EBUSY; ++tries) {
    if (tries > 0) nanosleep(&kPause, nullptr);
    result = work();
  }
  return result;
}

Played run(Playing&, const front_step::nothing&) { return Played::kFailed; }

Played run(Playing&, const front_step::print& step) {
  const std::string line = step.text + '\n';
  return done_if(write_all(STDOUT_FILENO, line.data(), line.size()));
}

Played run(Playing& playing, const front_step::refuse& step) {
  return tell_refusal(playing.call, step.text) ? Played::kRefused : Played::kFailed;
}

Played run(Playing& playing, const front_step::signal& step) {
  const int number = step.number == 0 ? playing.call.signal : static_cast<int>(step.number);
  const int result = sys_pidfd_send_signal(playing.process, number);
  return done_if(result == -ESRCH ? 0 : result);
}

// A named pipe of the container's process. What is written to the process is for no file of the host's, whatever has its name.
unique_fd open_pipe(int folder, const std::string& name, int flags) {
  unique_fd pipe(openat(folder, name.c_str(), flags | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!pipe || (fstat(pipe.get(), &status) == 0 && S_ISFIFO(status.st_mode))) return pipe;
  errno = EINVAL;
  return unique_fd();
}

Played run(Playing& playing, const front_step::send_on& step) {
  unique_fd told = open_pipe(playing.folder, step.told, O_RDONLY);
  if (!told) return Played::kFailed;
  const unique_fd go = open_pipe(playing.folder, step.go, O_WRONLY);
  if (go) {
    if (renameat(playing.folder, step.go.c_str(), playing.folder, step.going.c_str()) < 0) return Played::kFailed;
    if (write(go.get(), "0", 1) == 1) {
      playing.told = std::move(told);
      return Played::kSentOn;
    }
  }
  // a pipe without a reader is that of a process that has ended
  if (errno != ENXIO && errno != EPIPE) return Played::kFailed;
  return run(playing, front_step::refuse{step.ended});
}

Played run(Playing& playing, const front_step::freeze&) { return done_if(freeze(playing.plans.container)); }

Played run(Playing& playing, const front_step::thaw&) { return done_if(thaw(playing.plans.container)); }

Played run(Playing&, const front_step::kill_group& step) {
  return done_if(until_free([&] { return kill_group(AT_FDCWD, step.path.c_str()); }));
}

Played run(Playing&, const front_step::remove_group& step) {
  return done_if(until_free([&] { return remove_group(AT_FDCWD, step.path.c_str()); }));
}

Played run(Playing& playing, const front_step::remove_state&) { return done_if(layer::remove_tree(playing.root, playing.call.id.c_str())); }

}  // namespace

Played play(Playing& playing, const FrontPlan& plan) {
  for (const FrontStep& step : plan.steps) {
    const Played played = std::visit([&](const auto& known) { return run(playing, known); }, step);
    if (played != Played::kDone) return played;
  }
  return Played::kDone;
}

}  // namespace nacelle
