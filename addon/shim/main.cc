// The shim: started by the addon with the control socket as descriptor 3, the runtime directory and its own name as an
// owner. It supervises every container of one Node process and ends when Node has ended and everything is cleaned up. With the argument
// `detached` it is that of one detached container, which others find, and ends when that container is removed. With `mapped` it is root of
// a user namespace (wire/mapping.h). With `nacelle-oci` it is that command (front/front.h).
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "front/front.h"
#include "kernel/ignored_signals.h"
#include "kernel/syscalls.h"
#include "modes/by_name.h"
#include "modes/mapped.h"
#include "supervisor/supervisor.h"
#include "supervisor/upgrade.h"
#include "wire/mapping.h"

namespace {

constexpr int kControl = 3, kJoined = 4;
constexpr char kDetachedArgument[] = "detached";

int become_supervisor() {
  // the shim keeps nothing of Node's: neither its terminal nor its descriptors nor its working folder
  if (setsid() < 0 && errno != EPERM) return -errno;
  const int closed = nacelle::sys_close_range(kControl + 1, ~0U, 0);
  if (closed < 0) return closed;
  const int ignored = nacelle::ignore_signals();
  if (ignored < 0) return ignored;
  if (fcntl(kControl, F_SETFD, FD_CLOEXEC) < 0) return -errno;
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return -errno;
  if (prctl(PR_SET_NAME, "nacelle-shim") < 0) return -errno;
  umask(0);
  return chdir("/") < 0 ? -errno : 0;
}

// Whether the word is among the arguments after the runtime directory and the owner.
bool has_word(char* const* argv, const char* word) {
  for (char* const* at = argv + 3; *at != nullptr; ++at) {
    if (std::strcmp(*at, word) == 0) return true;
  }
  return false;
}

// Goes on as the shim once its ids are mapped.
int map_ids(char** argv) {
  // it may outlive the environment of Node that starts it, so that is not the one to reap it
  const pid_t pid = fork();
  if (pid < 0) {
    nacelle::MappedAnswer answer;
    answer.result = -errno;
    return send(kControl, &answer, sizeof answer, MSG_NOSIGNAL) < 0 ? 2 : 1;
  }
  if (pid > 0) return 0;
  char name[] = "nacelle-shim";
  argv[0] = name;
  return nacelle::enter_user_namespace(kControl, has_word(argv, nacelle::kJoinsArgument) ? kJoined : -1, argv) < 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  nacelle::run_by_name(argc, argv);
  if (argc >= 3 && std::strcmp(argv[1], nacelle::kFrontArgument) == 0) return nacelle::front_main(argc - 2, argv + 2);
  if (argc == 1 && std::strcmp(argv[0], nacelle::kDescribeName) == 0) return nacelle::describe() < 0 ? 1 : 0;
  const bool is_next = argc == 3 && std::strcmp(argv[0], nacelle::kTakeOverName) == 0;
  const bool is_back = argc == 3 && std::strcmp(argv[0], nacelle::kTakeBackName) == 0;
  if (is_next || is_back) return nacelle::take_over(argv[1], argv[2]);
  if (argc < 3) return 2;
  // an ordinary user may not read the shim's file, so this process is not dumpable; then neither newuidmap nor the process itself could
  // write the maps of its children
  if (geteuid() != 0 && prctl(PR_SET_DUMPABLE, 1) < 0) return 1;
  const bool is_mapped = has_word(argv, nacelle::kMappedArgument);
  const bool is_detached = has_word(argv, kDetachedArgument);
  if (std::strcmp(argv[0], nacelle::kMappedName) == 0) return map_ids(argv);
  // Node has started this process, and reaps it at once: the shim of a detached container is no child of Node's
  const pid_t pid = is_detached && !is_mapped ? fork() : 0;
  if (pid > 0) return 0;
  nacelle::Supervisor supervisor;
  int result = pid < 0 ? -errno : become_supervisor();
  // ids that nobody has mapped: nothing that such a shim makes would be confined as it should be
  if (result == 0 && is_mapped && geteuid() != 0) result = -EPERM;
  if (result == 0) result = supervisor.start(unique_fd(kControl), {argv[1], argv[2], is_detached, is_mapped});
  // the addon reads one number: 0, or the -errno of what failed
  if (write(kControl, &result, sizeof result) != sizeof result || result < 0) {
    supervisor.give_up();
    return 1;
  }
  return supervisor.run() < 0 ? 1 : 0;
}
