#include "unprivileged.h"

#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "syscalls.h"

namespace nacelle {
namespace {

// The greatest id that there is: neither a user's nor one of those that are handed out for namespaces.
constexpr uint32_t kNobody = 0xfffffffe;

int become_nobody() {
  if (geteuid() != 0) return 0;
  if (syscall(SYS_setresgid, kNobody, kNobody, kNobody) < 0) return errno == EINVAL ? 0 : -errno;
  if (syscall(SYS_setgroups, 0, nullptr) < 0) return -errno;
  return checked_int(syscall(SYS_setresuid, kNobody, kNobody, kNobody));
}

int drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  return checked_int(syscall(SYS_capset, &header, none));
}

int limit(__rlimit_resource resource, rlim_t most) {
  const struct rlimit value { most, most };
  return setrlimit(resource, &value) < 0 ? -errno : 0;
}

}  // namespace

int become_unprivileged(const char* name) {
  int result = become_nobody();
  if (result == 0) result = drop_capabilities();
  if (result < 0) return result;
  // after the change of ids, which takes these back
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return -errno;
  if (prctl(PR_SET_NAME, name) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
  result = limit(RLIMIT_CORE, 0);
  if (result == 0) result = limit(RLIMIT_FSIZE, 0);
  return result == 0 ? limit(RLIMIT_NPROC, 0) : result;
}

}  // namespace nacelle
