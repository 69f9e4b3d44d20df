#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "../../addon/shim/kernel/unique_fd.h"
#include "../../addon/shim/layer/changes.h"
#include "../../addon/shim/layer/folder.h"
#include "../../addon/shim/layer/pack.h"
#include "../../addon/shim/layer/remove_tree.h"
#include "../../addon/shim/layer/unpack.h"
#include "../../addon/shim/layer/work_filter.h"

// The layer code by itself, confined as the shim's child is. For tests.
//
//   layer_driver unpack ROOT [option...]     a tar from stdin; 'lower=FOLDER', the topmost first, as options too
//   layer_driver open ROOT [option...]       the same without the confinement: only the paths' resolution holds it in
//   layer_driver remove FOLDER NAME          a tree in the folder, without any confinement
//   layer_driver calls WORK                  which system calls the filter of that work lets through, to stdout
//   layer_driver call WORK NUMBER [argument...]   makes one, under the filter
//   layer_driver pack UPPER [option...]      a tar to stdout; 'lower=FOLDER' too
//   layer_driver changes UPPER [option...]   records to stdout; 'lower=FOLDER' too
//
// Ends with 0, or with 1 and 'ERRNO: why' on stderr.
namespace {

using namespace nacelle;

// LeakSanitizer traces the process at its end, by calls that no filter of ours allows.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NACELLE_LOOKS_FOR_LEAKS 1
#endif
#endif
#ifdef NACELLE_LOOKS_FOR_LEAKS
constexpr bool kLooksForLeaks = true;
#else
constexpr bool kLooksForLeaks = false;
#endif

int open_path(const char* path) { return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

// Folders that stay open.
class Folders {
 public:
  void open(const char* path) {
    owners_.emplace_back(open_path(path));
    descriptors_.push_back(owners_.back().get());
  }
  const int* descriptors() const { return descriptors_.data(); }
  size_t size() const { return descriptors_.size(); }

 private:
  std::vector<unique_fd> owners_;
  std::vector<int> descriptors_;
};

// Makes `path` the root in a mount namespace of its own.
bool confine(const char* path) {
  return unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount(path, path, nullptr, MS_BIND, nullptr) == 0 && chdir(path) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 &&
         umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}

// Whether `make` is still there after it, as process 1 of a pid namespace: one that signals alone don't end.
template <typename Make>
bool lives_on(Work work, Make make) {
  const auto pid = static_cast<pid_t>(syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0));
  if (pid < 0) _exit(4);
  if (pid == 0) {
    if (allow_calls_of(work, STDERR_FILENO, work == Work::kUnpack ? -1 : STDOUT_FILENO) < 0) _exit(3);
    make();
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return !(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

void list_calls(Work work) {
  // arguments that change nothing: a pipe, no address, no flags
  const auto make = [](long number) { syscall(number, STDERR_FILENO, 0, 0, 0, 0, 0); };
  for (long number = 0; number < 600; ++number) {
    if (lives_on(work, [&] { make(number); })) std::printf("%ld\n", number);
    std::fflush(stdout);
  }
#ifdef __x86_64__
  constexpr long kX32 = 0x40000000;
  if (lives_on(work, [&] { make(kX32 + SYS_close); })) std::puts("x32");
  // close, by the other ABI's number
  if (lives_on(work, [] {
        long result = 6;
        asm volatile("int $0x80" : "+a"(result) : "b"(STDERR_FILENO) : "memory");
      }))
    std::puts("i386");
#endif
}

int run(int count, char** arguments, Failure& why) {
  const char* command = arguments[1];
  Work work;
  if (std::strcmp(command, "calls") == 0) return find_work(arguments[2], work) ? list_calls(work), 0 : fail(why, EINVAL, "unknown work");
  if (std::strcmp(command, "call") == 0) {
    if (count < 4 || !find_work(arguments[2], work)) return fail(why, EINVAL, "unknown work");
    long values[6] = {};
    for (int i = 4; i < count && i < 10; ++i) values[i - 4] = std::strtol(arguments[i], nullptr, 0);
    const long number = std::strtol(arguments[3], nullptr, 0);
    const bool lives = lives_on(work, [&] { syscall(number, values[0], values[1], values[2], values[3], values[4], values[5]); });
    return std::puts(lives ? "allowed" : "killed"), 0;
  }
  std::vector<const char*> options;
  Folders lower;
  for (int i = 3; i < count; ++i) {
    if (std::strncmp(arguments[i], "lower=", 6) == 0) {
      lower.open(arguments[i] + 6);
    } else {
      options.push_back(arguments[i]);
    }
  }
  const bool confined = std::strcmp(command, "unpack") == 0;
  if (confined || std::strcmp(command, "open") == 0) {
    UnpackOptions parsed;
    if (parse_unpack_options(options.data(), options.size(), parsed) < 0) return fail(why, EINVAL, "unknown option");
    if (confined && !confine(arguments[2])) return fail(why, errno, "confining");
    if (confined && allow_calls_of(Work::kUnpack, STDERR_FILENO, -1) < 0) return fail(why, errno, "limiting the calls");
    const unique_fd root(open_path(confined ? "/" : arguments[2]));
    return unpack_layer(STDIN_FILENO, root.get(), lower.descriptors(), lower.size(), parsed, why);
  }
  const unique_fd upper(open_path(arguments[2]));
  if (upper && count == 4 && std::strcmp(command, "remove") == 0) {
    const int result = layer::remove_tree(upper.get(), arguments[3]);
    return result < 0 ? fail(why, -result, "removing it") : 0;
  }
  if (!upper) return fail(why, errno, "opening the upper");
  if (!find_work(command, work)) return fail(why, EINVAL, "unknown work");
  layer::allow_many_descriptors();
  if (!kLooksForLeaks && allow_calls_of(work, STDERR_FILENO, STDOUT_FILENO) < 0) return fail(why, errno, "limiting the calls");
  if (work == Work::kPack) {
    PackOptions parsed;
    if (parse_pack_options(options.data(), options.size(), parsed) < 0) return fail(why, EINVAL, "unknown option");
    return pack_layer(upper.get(), lower.descriptors(), lower.size(), STDOUT_FILENO, std::move(parsed), why);
  }
  ChangesOptions parsed;
  if (parse_changes_options(options.data(), options.size(), parsed) < 0) return fail(why, EINVAL, "unknown option");
  return list_changes(upper.get(), lower.descriptors(), lower.size(), STDOUT_FILENO, std::move(parsed), why);
}

}  // namespace

// LeakSanitizer looks at its own threads in /proc, which a confined process doesn't see.
extern "C" int __lsan_is_turned_off() { return access("/proc/self", F_OK) != 0; }

int main(int count, char** arguments) {
  if (count < 3) return 2;
  Failure why;
  const int result = run(count, arguments, why);
  if (result < 0) std::fprintf(stderr, "%s: %s\n", strerrorname_np(-result), why.text);
  return result < 0 ? 1 : 0;
}
