#include "front.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "../kernel/file_io.h"
#include "../kernel/memfd.h"
#include "../kernel/syscalls.h"
#include "../kernel/whole_text.h"
#include "front_call.h"
#include "front_file.h"
#include "front_plans.h"
#include "own_file.h"
#include "planner.h"
#include "play.h"
#include "refusal.h"
#include "resident.h"

namespace nacelle {
namespace {

constexpr char kPlansFile[] = "plans", kRecordFile[] = "state.json";
constexpr size_t kMostPlans = 16 * 1024 * 1024, kMostFile = 64 * 1024, kMostTold = 64 * 1024;

// A pipe whose reader has gone is an error of whoever writes to it; Node gets the signal as it was.
class WithoutPipeSignal {
 public:
  WithoutPipeSignal() : before_(signal(SIGPIPE, SIG_IGN)) {}
  WithoutPipeSignal(const WithoutPipeSignal&) = delete;
  WithoutPipeSignal& operator=(const WithoutPipeSignal&) = delete;
  ~WithoutPipeSignal() { static_cast<void>(signal(SIGPIPE, before_)); }

 private:
  sighandler_t before_;
};

// What is left to do after one attempt.
enum class Course : uint8_t { kEnded, kAgain, kPlanner };

// What the front has found and done.
struct Found {
  unique_fd root, folder, lock, process, told;
  FrontPlans plans;
  int exit_status = 0;
};

Course missing(const FrontFile& file, const FrontCall& call, Found& found) {
  if (!call.forgives && !tell_refusal(call, file.missing)) return Course::kPlanner;
  found.exit_status = call.forgives ? 0 : 1;
  return Course::kEnded;
}

bool is_same_record(int folder, const RecordSeen& seen) {
  constexpr uint64_t kNsPerSecond = 1'000'000'000;
  struct stat status {};
  if (fstatat(folder, kRecordFile, &status, AT_SYMLINK_NOFOLLOW) < 0) return false;
  const uint64_t changed = static_cast<uint64_t>(status.st_mtim.tv_sec) * kNsPerSecond + static_cast<uint64_t>(status.st_mtim.tv_nsec);
  return status.st_ino == seen.inode && static_cast<uint64_t>(status.st_size) == seen.size && changed == seen.changed_ns;
}

bool read_plans(int folder, FrontPlans& plans) {
  const unique_fd file(openat(folder, kPlansFile, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file || !is_own(file.get(), S_IFREG)) return false;
  std::string text;
  return read_rest(file.get(), kMostPlans, text) == 0 && read_front_plans(text, plans) && is_same_record(folder, plans.record);
}

bool is_removed(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && status.st_nlink == 0;
}

// Waits for whoever makes, starts or removes the container. The lock ends with this process.
Course take_turn(int folder, const std::string& name, unique_fd& lock) {
  lock.reset(openat(folder, name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock) return is_removed(folder) ? Course::kAgain : Course::kPlanner;
  if (!is_own(lock.get(), S_IFREG)) return Course::kPlanner;
  struct flock whole {};
  whole.l_type = F_WRLCK;
  while (fcntl(lock.get(), F_OFD_SETLKW, &whole) < 0) {
    if (errno != EINTR) return Course::kPlanner;
  }
  // whoever had the lock before may have removed it with the folder
  return is_removed(lock.get()) ? Course::kAgain : Course::kEnded;
}

Course played(const FrontCall& call, Found& found) {
  Status status = Status::kStopped;
  if (status_of(found.folder.get(), found.plans.container, status, found.process) < 0) return Course::kPlanner;
  const FrontPlan* plan = found.plans.find(call.command, status);
  if (plan == nullptr) return Course::kPlanner;
  Playing playing{call, found.plans, found.root.get(), found.folder.get(), found.process.get(), unique_fd()};
  const Played ended = play(playing, *plan);
  if (ended == Played::kFailed) return Course::kPlanner;
  found.exit_status = ended == Played::kRefused ? 1 : 0;
  found.told = std::move(playing.told);
  return Course::kEnded;
}

Course attempt(const FrontFile& file, const FrontCall& call, Found& found) {
  found.root.reset(open(call.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!found.root) return errno == ENOENT ? missing(file, call, found) : Course::kPlanner;
  if (!is_own(found.root.get(), S_IFDIR)) return Course::kPlanner;
  found.folder.reset(openat(found.root.get(), call.id.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!found.folder) return errno == ENOENT ? missing(file, call, found) : Course::kPlanner;
  if (!is_own(found.folder.get(), S_IFDIR) || !read_plans(found.folder.get(), found.plans)) return Course::kPlanner;
  if (const std::string* lock = found.plans.lock_of(call.command)) {
    const Course turn = take_turn(found.folder.get(), *lock, found.lock);
    if (turn != Course::kEnded) return turn;
  }
  return played(call, found);
}

Course do_here(const FrontFile& file, const FrontCall& call, Found& found) {
  const WithoutPipeSignal without;
  Course course = Course::kAgain;
  while (course == Course::kAgain) {
    found = Found();
    course = attempt(file, call, found);
  }
  return course;
}

// Whether this is root who may make what is in the folder of states, which need not be there yet: others have a folder of
// their own (mayUseSystemFolder of lib/native/runtime-dir.ts).
bool may_use_system_folder(std::string folder) {
  if (geteuid() != 0) return false;
  while (folder.size() > 1 && access(folder.c_str(), F_OK) < 0) {
    const size_t slash = folder.rfind('/');
    folder.resize(slash == std::string::npos || slash == 0 ? 1 : slash);
  }
  return access(folder.c_str(), W_OK | X_OK) == 0;
}

// What the container's process tells until it executes its program, which closes the pipe; what fails is put in words by the planner.
int hear(const FrontFile& file, const FrontCall& call, int argc, char** argv, Found& found) {
  found.lock.reset();
  const int flags = fcntl(found.told.get(), F_GETFL);
  std::string told;
  if (flags < 0 || fcntl(found.told.get(), F_SETFL, flags & ~O_NONBLOCK) < 0 || read_rest(found.told.get(), kMostTold, told) < 0) {
    std::fprintf(stderr, "nacelle-oci: read from the process of %s: %s\n", call.id.c_str(), std::strerror(errno));
    return 1;
  }
  if (told.empty()) return 0;
  unique_fd words;
  const int result = sealed_memfd(told.data(), told.size(), words);
  if (result < 0 || lseek(words.get(), 0, SEEK_SET) < 0 || fcntl(words.get(), F_SETFD, 0) < 0) {
    std::fprintf(stderr, "nacelle-oci: %s: %s\n", call.id.c_str(), told.c_str());
    return 1;
  }
  return become_planner(file, argc, argv, call.command_at, words.get());
}

// A program of run or exec may be shown at the caller's terminal: that of a standard stream, or the one that controls its session, whatever
// the streams are (lib/runtime-cli/caller/caller-terminal.ts). It takes a process that has it.
bool may_show_terminal(const PlannedCall& call) {
  if (call.command != "run" && call.command != "exec") return false;
  if (isatty(STDIN_FILENO) == 1 || isatty(STDOUT_FILENO) == 1 || isatty(STDERR_FILENO) == 1) return true;
  return static_cast<bool>(unique_fd(open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)));
}

}  // namespace

int front_main(int argc, char** argv) {
  FrontFile file;
  std::string text;
  const int result = read_text(AT_FDCWD, argv[0], kMostFile, text);
  if (result < 0 || !read_front_file(text, file)) {
    std::fprintf(stderr, "%s: %s; write it again with nacelle-oci install\n", argv[0],
                 result < 0 ? std::strerror(-result) : "does not name a planner");
    return 1;
  }
  char** arguments = argv + 1;
  const int count = argc - 1;
  FrontCall call;
  if (!file.is_known || !may_use_system_folder(file.root)) return become_planner(file, count, arguments);
  PlannedCall planned;
  int exit_status = 0;
  const bool may_ask = !file.resident.empty() && read_planned_call(count, arguments, file.root, planned) && !may_show_terminal(planned);
  if (may_ask && ask_resident(file, planned, count, arguments, exit_status)) return exit_status;
  if (!read_front_call(count, arguments, file.root, call)) return become_planner(file, count, arguments);
  Found found;
  if (do_here(file, call, found) == Course::kPlanner) return become_planner(file, count, arguments);
  // podman calls create from below conmon, which gets no planner as its child, and start by itself
  if (!file.resident.empty() && call.command == "start") begin_resident(file, call.root);
  return found.told ? hear(file, call, count, arguments, found) : found.exit_status;
}

}  // namespace nacelle
