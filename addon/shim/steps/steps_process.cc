#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <climits>
#include <cstring>
#include <vector>

#include "../kernel/procfs.h"
#include "../kernel/syscalls.h"
#include "resolve.h"
#include "steps.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace nacelle {
namespace {

// IOPRIO_WHO_PROCESS of ioprio_set(2), which older headers lack
constexpr int kWhoProcess = 1;

// struct sched_attr, whose header clashes with libc's
struct SchedulerAttributes {
  uint32_t size = sizeof(SchedulerAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;
  uint64_t deadline = 0;
  uint64_t period = 0;
};
constexpr uint64_t kFifo = 1, kRoundRobin = 2, kDeadline = 6;

bool has_capability(unsigned capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  return syscall(SYS_capget, &header, data) == 0 && (data[capability / 32].effective >> capability % 32 & 1) != 0;
}

// The kernel asks for CAP_SYS_NICE in the machine's first user namespace: root of another has it for nothing here.
bool may_schedule_as_root() {
  constexpr ino_t kFirstUserNamespace = 0xeffffffd;  // PROC_USER_INIT_INO of linux/proc_ns.h
  struct stat users {};
  const bool in_another = stat("/proc/self/ns/user", &users) == 0 && users.st_ino != kFirstUserNamespace;
  return !in_another && has_capability(CAP_SYS_NICE);
}

// Adds why the kernel refuses the scheduling, since one errno has several causes.
template <typename Scheduling>
int scheduler_refused(Context& context, const Scheduling& a, int error) {
  if (error == -EBUSY) return context.failed(error, "the CPUs have promised too much of their time to others under 'deadline'");
  if (error != -EPERM) return error;
  const bool real_time = a.policy == kFifo || a.policy == kRoundRobin;
  if (may_schedule_as_root()) {
    if (a.policy == kDeadline) return context.failed(error, "it may not use all CPUs, which 'deadline' wants");
    return context.failed(error,
                          real_time ? "its cgroup has no real-time run time: cpuRtRuntime gives it some" : "a security module forbids it");
  }
  if (a.policy == kDeadline) return context.failed(error, "it has no CAP_SYS_NICE on the host");
  struct rlimit64 limit {};
  const __rlimit_resource resource = real_time ? RLIMIT_RTPRIO : RLIMIT_NICE;
  if (prlimit64(0, resource, nullptr, &limit) < 0) return error;
  const auto most = static_cast<unsigned long long>(limit.rlim_cur);
  if (real_time) {
    std::snprintf(context.text, sizeof context.text, "it has no CAP_SYS_NICE on the host, and its ulimit rtprio is %llu", most);
  } else {
    // the call can't fail: it is about this process
    const int now = getpriority(PRIO_PROCESS, 0);
    std::snprintf(context.text, sizeof context.text,
                  "its nice value is %d: for a lower one it has no CAP_SYS_NICE on the host, and its ulimit nice is %llu", now, most);
  }
  return error;
}

template <typename Scheduling>
int set_scheduler(Context& context, const Scheduling& a, uint64_t flags) {
  SchedulerAttributes attributes;
  attributes.policy = static_cast<uint32_t>(a.policy);
  attributes.flags = flags;
  attributes.nice = static_cast<int32_t>(a.nice) - 20;
  attributes.priority = static_cast<uint32_t>(a.priority);
  attributes.runtime = a.runtime;
  attributes.deadline = a.deadline;
  attributes.period = a.period;
  const int result = checked_int(syscall(SYS_sched_setattr, 0, &attributes, 0));
  return result < 0 ? scheduler_refused(context, a, result) : 0;
}

// A mask of bits as the kernel wants it, in whole words.
std::vector<unsigned long> words_of(const Bytes& mask) {
  std::vector<unsigned long> words((mask.size + sizeof(unsigned long) - 1) / sizeof(unsigned long));
  if (!words.empty()) std::memcpy(words.data(), mask.data, mask.size);
  return words;
}

}  // namespace

int run(Context& context, const args::sethostname& a) {
  return context.on(a.name.text, checked_int(::sethostname(a.name.text, a.name.size)));
}

int run(Context& context, const args::setdomainname& a) {
  return context.on(a.name.text, checked_int(::setdomainname(a.name.text, a.name.size)));
}

int run(Context& context, const args::sysctl& a) {
  char path[PATH_MAX];
  const int length = std::snprintf(path, sizeof path, "sys/%s", a.path.text);
  if (length < 0 || static_cast<size_t>(length) >= sizeof path) return -ENAMETOOLONG;
  if (a.proc < 0) return -EINVAL;  // else the path would be resolved from the current folder
  return write_procfs(context.slots.get(a.proc), path, a.value.text, a.value.size);
}

int run(Context&, const args::rlimit& a) {
  const struct rlimit64 limit { a.soft, a.hard };
  return checked_int(prlimit64(0, static_cast<__rlimit_resource>(a.resource), &limit, nullptr));
}

int run(Context&, const args::raise_limit& a) {
  const auto resource = static_cast<__rlimit_resource>(a.resource);
  struct rlimit64 limit {};
  if (prlimit64(0, resource, nullptr, &limit) < 0) return -errno;
  if (a.hard <= limit.rlim_max) return 0;
  limit.rlim_max = a.hard;
  return checked_int(prlimit64(0, resource, &limit, nullptr));
}

int run(Context& context, const args::scheduler& a) { return set_scheduler(context, a, 0); }

int run(Context& context, const args::scheduler_with_flags& a) { return set_scheduler(context, a, a.flags); }

int run(Context&, const args::memory_policy& a) {
  // the kernel counts one bit less than it is told of
  const std::vector<unsigned long> nodes = words_of(a.nodes);
  return checked_int(syscall(SYS_set_mempolicy, static_cast<int>(a.mode), nodes.data(), nodes.size() * sizeof nodes[0] * CHAR_BIT + 1));
}

int run(Context&, const args::io_priority& a) { return checked_int(syscall(SYS_ioprio_set, kWhoProcess, 0, static_cast<int>(a.priority))); }

int run(Context&, const args::cpu_affinity& a) {
  const std::vector<unsigned long> words = words_of(a.mask);
  if (words.empty()) return -EINVAL;
  return checked_int(syscall(SYS_sched_setaffinity, 0, words.size() * sizeof words[0], words.data()));
}

int run(Context&, const args::personality& a) { return checked_int(::personality(static_cast<unsigned long>(a.persona))); }

int run(Context&, const args::oom_score_adj& a) { return write_procfs(AT_FDCWD, "/proc/self/oom_score_adj", a.value.text, a.value.size); }

int run(Context&, const args::security_attribute& a) {
  char path[NAME_MAX + 1];
  const int length = snprintf(path, sizeof path, "/proc/self/attr/%.*s", static_cast<int>(a.name.size), a.name.text);
  if (length < 0 || static_cast<size_t>(length) >= sizeof path) return -ENAMETOOLONG;
  return write_procfs(AT_FDCWD, path, a.value.text, a.value.size);
}

int run(Context&, const args::umask& a) {
  ::umask(static_cast<mode_t>(a.mask));
  return 0;
}

int run(Context&, const args::setsid&) { return checked_int(::setsid()); }

int run(Context& context, const args::keyring&) {
  // the keyring has no name: with one, the kernel would join any keyring of that name that somebody has opened to all
  const int result = checked_int(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr));
  if (result == -ENOSYS) return 0;  // a kernel without keys has none to share
  return result < 0 ? context.failed(result, "a session keyring") : 0;
}

int run(Context& context, const args::chdir& a) {
  if (a.create != 0) {
    unique_fd root, folder;
    bool made = false;
    int result = opened(checked_int(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)), root);
    // the container's user works in the folder, so it owns it
    if (result == 0) {
      const Owner owner{context.account.uid, context.account.gid};
      result = make_folder(root.get(), a.path.text, 0755, folder, made, owner, Ground(context.slots, a.on, a.mounts));
    }
    if (result < 0) {
      find_bad_link(root.get(), a.path.text, context.text, sizeof context.text);
      return result;
    }
    if (::fchdir(folder.get()) < 0) return -errno;
  } else if (::chdir(a.path.text) < 0) {
    return -errno;
  }
  // CVE-2024-21626: a folder outside the root has no absolute path here ("(unreachable)/…")
  char path[PATH_MAX];
  const long length = syscall(SYS_getcwd, path, sizeof path);
  if (length < 0) return -errno;
  return path[0] == '/' ? 0 : context.failed(-EXDEV, "it lies outside the root");
}

int run(Context& context, const args::stdio& a) {
  return checked_int(dup2(context.slots.get(a.slot), static_cast<int>(a.fd))) < 0 ? -errno : 0;
}

int run(Context&, const args::keep_capabilities&) { return checked_int(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)); }

int run(Context&, const args::bound_capabilities& a) {
  for (unsigned capability = 0; capability < 64; ++capability) {
    if ((a.bounding >> capability & 1) != 0) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    return errno == EINVAL ? 0 : -errno;  // EINVAL: the number is past the kernel's last capability
  }
  return 0;
}

int run(Context&, const args::capabilities& a) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (unsigned word = 0; word < 2; ++word) {
    data[word].effective = static_cast<uint32_t>(a.effective >> (32 * word));
    data[word].permitted = static_cast<uint32_t>(a.permitted >> (32 * word));
    data[word].inheritable = static_cast<uint32_t>(a.inheritable >> (32 * word));
  }
  if (syscall(SYS_capset, &header, data) < 0) return -errno;
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -errno;
  for (unsigned capability = 0; capability < 64; ++capability) {
    if ((a.ambient >> capability & 1) == 0) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0) return -errno;
  }
  return 0;
}

int run(Context&, const args::limit_capabilities& a) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) < 0) return -errno;
  for (unsigned word = 0; word < 2; ++word) {
    data[word].permitted &= static_cast<uint32_t>(a.kept >> (32 * word));
    data[word].effective = data[word].permitted;
    data[word].inheritable = 0;
  }
  if (syscall(SYS_capset, &header, data) < 0) return -errno;
  return checked_int(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
}

int run(Context&, const args::no_new_privileges&) { return checked_int(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }

int run(Context&, const args::dumpable& a) { return checked_int(prctl(PR_SET_DUMPABLE, a.value, 0, 0, 0)); }

int run(Context& context, const args::parent_death_signal& a) {
  if (prctl(PR_SET_PDEATHSIG, a.signal, 0, 0, 0) < 0) return -errno;
  // the shim may have died before: getppid() is 0 in a pid namespace either way, but the channel hangs up
  pollfd channel{context.channel, POLLIN, 0};
  if (poll(&channel, 1, 0) < 0) return -errno;
  return (channel.revents & POLLHUP) != 0 ? -EPIPE : 0;
}

namespace {

// The filter's listener where the flags ask for one, else 0; or -errno.
int load_filter(const Context& context, const Bytes& filter, uint64_t flags) {
  if (filter.size == 0 || filter.size % sizeof(sock_filter) != 0) return -EINVAL;
  static sock_filter instructions[BPF_MAXINSNS];  // the message's bytes may not be aligned
  const size_t count = filter.size / sizeof(sock_filter);
  if (count > BPF_MAXINSNS) return -E2BIG;
  std::memcpy(instructions, filter.data, filter.size);
  // the filter may not let this be done any more
  const int closed = sys_close_range(3 + context.passed, ~0U, CLOSE_RANGE_CLOEXEC);
  if (closed < 0) return closed;
  sock_fprog program{static_cast<unsigned short>(count), instructions};
  return checked_int(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, static_cast<unsigned>(flags), &program));
}

int explained(Context& context, int result) {
  if (result == -EBUSY) return context.failed(result, "a filter around this process has a listener already, and there can be no other");
  return result == -EINVAL ? context.failed(result, "the kernel refuses the filter") : result;
}

}  // namespace

int run(Context& context, const args::seccomp& a) { return explained(context, load_filter(context, a.filter, 0)); }

// A call that was handed to the listener waits for its answer alone, and no signal makes it begin anew (since Linux 5.19).
int run(Context& context, const args::load_call_filter& a) {
  if (a.out < 0) return explained(context, load_filter(context, a.filter, a.flags));
  const uint64_t flags = a.flags | SECCOMP_FILTER_FLAG_NEW_LISTENER;
  int listener = load_filter(context, a.filter, flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  if (listener == -EINVAL) listener = load_filter(context, a.filter, flags);
  return listener < 0 ? explained(context, listener) : context.slots.put(a.out, unique_fd(listener));
}

}  // namespace nacelle
