#include "mapped.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "../kernel/syscalls.h"
#include "../kernel/unique_fd.h"
#include "../wire/mapping.h"

namespace nacelle {
namespace {

// One user who is mapped alone may not leave groups (user_namespaces(7), "setgroups").
bool may_leave_groups() {
  char text[8] = {};
  const unique_fd file(open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC));
  return file && read(file.get(), text, sizeof text - 1) > 0 && std::strncmp(text, "allow", 5) == 0;
}

int become_root() {
  if (may_leave_groups() && setgroups(0, nullptr) < 0) return -errno;
  if (setresgid(0, 0, 0) < 0) return -errno;
  return setresuid(0, 0, 0) < 0 ? -errno : 0;
}

// False when Node has ended, or given up.
bool wait_for_maps(int control) {
  char byte = 0;
  ssize_t size;
  do {
    size = recv(control, &byte, 1, 0);
  } while (size < 0 && errno == EINTR);
  return size == 1;
}

}  // namespace

int enter_user_namespace(int control, int joined, char* const* arguments) {
  unique_fd self(open("/proc/self/exe", O_PATH | O_CLOEXEC));
  MappedAnswer answer;
  if (!self) {
    answer.result = -errno;
  } else {
    answer.result = checked_int(joined < 0 ? unshare(CLONE_NEWUSER) : setns(joined, CLONE_NEWUSER));
  }
  answer.pid = getpid();
  if (send(control, &answer, sizeof answer, MSG_NOSIGNAL) < 0) return -errno;
  if (answer.result < 0) return answer.result;
  if (!wait_for_maps(control)) return -ECANCELED;
  int result = become_root();
  if (result == 0) {
    char* const env[] = {nullptr};
    syscall(SYS_execveat, self.get(), "", arguments, env, AT_EMPTY_PATH);
    result = -errno;
  }
  // Node waits for the number that the shim would tell
  static_cast<void>(send(control, &result, sizeof result, MSG_NOSIGNAL));
  return result;
}

}  // namespace nacelle
