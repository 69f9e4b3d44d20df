#include "denials.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "../kernel/memfd.h"
#include "../kernel/run_filter.h"
#include "../kernel/syscall_filter.h"
#include "../kernel/syscalls.h"
#include "denied_process.h"

namespace nacelle {
namespace {

// How many are told in a row, and in a second: a program that does nothing else must not keep Node busy.
constexpr uint64_t kBurst = 256, kEverySecond = 128;
constexpr uint64_t kSecond = 1'000'000'000;

sock_filter answers[BPF_MAXINSNS];
size_t answer_count = 0;
const Look* looks = nullptr;
size_t look_count = 0;
int proc = -1;

uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecond + static_cast<uint64_t>(now.tv_nsec);
}

// Whether one more may be told.
bool may_tell() {
  static uint64_t left = kBurst * kSecond, before = clock_ns(CLOCK_MONOTONIC);
  const uint64_t now = clock_ns(CLOCK_MONOTONIC);
  left = std::min(kBurst * kSecond, left + std::min(now - before, kBurst * kSecond) * kEverySecond);
  before = now;
  if (left < kSecond) return false;
  left -= kSecond;
  return true;
}

struct Report {
  Denial head;
  char data[kMaxDenial - sizeof(Denial)];
};
Report report;
// the shim hears no more: the program has ended, and has left processes that it was to leave
bool is_alone = false;
size_t report_size = 0;

void add(const void* data, size_t size) {
  std::memcpy(reinterpret_cast<char*>(&report) + report_size, data, size);
  report_size += size;
}

// Adds what an argument points to; what can't be read is left out.
void look_at(const DeniedProcess& process, const seccomp_data& call, const Look& look) {
  static char text[kMaxText];
  const bool is_text = look.size_argument == Look::kIsText;
  if (look.argument >= 6 || (!is_text && look.size_argument >= 6)) return;
  const size_t most = is_text ? sizeof text : std::min<uint64_t>(call.args[look.size_argument], kMaxBytes);
  const ssize_t size = process.read(call.args[look.argument], text, most, is_text);
  if (size < 0) return;
  const uint32_t begin[] = {look.argument, static_cast<uint32_t>(size)};
  add(begin, sizeof begin);
  add(text, static_cast<size_t>(size));
}

void look_around(const DeniedProcess& process, const seccomp_data& call) {
  size_t looked = 0;
  for (size_t i = 0; i < look_count && looked < kMaxLooks; ++i) {
    if (looks[i].arch != call.arch || looks[i].call != call.nr) continue;
    look_at(process, call, looks[i]);
    ++looked;
  }
}

// Everything that was read of the process is its own only when this holds afterwards.
bool still_waits(uint64_t id) { return ioctl(kDenialsListener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0; }

void tell() {
  if (is_alone) return;
  if (send(kDenialsControl, &report, report_size, MSG_NOSIGNAL) < 0) _exit(1);
}

// A process that can't be killed ends this one, and so the tree.
void send_signal(const unique_fd& pidfd, int signal) {
  const int result = pidfd ? sys_pidfd_send_signal(pidfd.get(), signal) : -EBADF;
  if (result < 0 && result != -ESRCH) _exit(1);
}

// A process may come to mind SIGSYS just now, or be traced from now on. It takes the signal only after the answer to its call.
void make_sure_of_death(const unique_fd& pidfd) {
  constexpr timespec kPatience{0, 100'000'000};
  pollfd ended{pidfd.get(), POLLIN, 0};
  if (ppoll(&ended, 1, &kPatience, nullptr) != 1) send_signal(pidfd, SIGKILL);
}

void answer(const seccomp_notif& request, int32_t error) {
  seccomp_notif_resp response{};
  response.id = request.id;
  response.error = -error;
  // ENOENT: a signal has ended the call meanwhile
  static_cast<void>(ioctl(kDenialsListener, SECCOMP_IOCTL_NOTIF_SEND, &response));
}

bool kills(uint32_t verdict) {
  const uint32_t action = verdict & SECCOMP_RET_ACTION_FULL;
  return action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD;
}

void take_one() {
  static uint32_t lost = 0;
  seccomp_notif request{};
  // ENOENT: a signal has ended the call
  if (ioctl(kDenialsListener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0) return;
  const uint32_t verdict = run_filter(answers, answer_count, request.data);
  const bool is_killed = kills(verdict);
  const auto error = static_cast<uint16_t>((verdict & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ? verdict & SECCOMP_RET_DATA : EPERM);
  const bool is_told = may_tell();
  unique_fd dying;
  report.head = Denial{};
  report_size = sizeof report.head;
  if (is_told || is_killed) {
    const DeniedProcess process(proc, request.pid);
    unique_fd pidfd;
    if (is_killed && process.pid() != 0) pidfd.reset(sys_pidfd_open(process.pid()));
    if (is_told) look_around(process, request.data);
    if (!still_waits(request.id)) return;
    Denial& head = report.head;
    head.lost = lost;
    head.killed = is_killed ? 1 : 0;
    head.is_quiet = is_told ? 0 : 1;
    head.error = is_killed ? 0 : error;
    head.time_ns = clock_ns(CLOCK_REALTIME);
    head.arch = request.data.arch;
    head.call = request.data.nr;
    head.pid = static_cast<uint32_t>(process.pid());
    head.parent = static_cast<uint32_t>(process.parent());
    std::copy(std::begin(request.data.args), std::end(request.data.args), std::begin(head.args));
    // the shim hears of it before the process can end
    tell();
    if (is_killed) {
      send_signal(pidfd, process.dies_of_sigsys() ? SIGSYS : SIGKILL);
      dying = std::move(pidfd);
    }
  }
  lost = is_told ? 0 : lost + 1;
  answer(request, error);
  if (dying) make_sure_of_death(dying);
}

[[noreturn]] void serve() {
  for (;;) {
    // poll(2) ignores a descriptor of -1
    pollfd waits[] = {{is_alone ? -1 : static_cast<int>(kDenialsControl), POLLIN, 0}, {kDenialsListener, POLLIN, 0}};
    if (ppoll(waits, 2, nullptr, nullptr) < 0) {
      if (errno == EINTR) continue;
      _exit(1);
    }
    if (waits[0].revents != 0) {
      char byte = 0;
      if (read(kDenialsControl, &byte, 1) != 1) _exit(0);
      is_alone = true;
    }
    if ((waits[1].revents & POLLIN) != 0) {
      take_one();
    } else if (waits[1].revents != 0) {
      _exit(0);  // no process has the filter any more (Linux 5.9)
    }
  }
}

// What it needs to read memory of other users' processes, and to kill them.
int limit_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) < 0) return -errno;
  constexpr uint32_t kNeeded = 1U << CAP_SYS_PTRACE | 1U << CAP_KILL;
  data[0].permitted &= kNeeded;
  data[0].effective = data[0].permitted;
  data[1] = {};
  data[0].inheritable = 0;
  return checked_int(syscall(SYS_capset, &header, data));
}

int confine() {
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NAME, kDenialsName) < 0) return -errno;
  proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) return -errno;
  const int result = limit_capabilities();
  if (result < 0) return result;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
  SyscallFilter filter;
  for (const uint32_t call :
       {SYS_read, SYS_process_vm_readv, SYS_ppoll, SYS_close, SYS_clock_gettime, SYS_restart_syscall, SYS_exit_group, SYS_pidfd_open}) {
    filter.allow(call);
  }
  filter.allow_with(SYS_openat, 0, {static_cast<uint32_t>(proc)});
  filter.allow_with(SYS_sendto, 0, {kDenialsControl});
  filter.allow_with(SYS_pidfd_send_signal, 1, {SIGSYS, SIGKILL});
  filter.allow_with(SYS_ioctl, 1, {SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND, SECCOMP_IOCTL_NOTIF_ID_VALID});
  return filter.install();
}

// The file with the rules is sealed and small.
int read_rules() {
  struct stat status {};
  if (fstat(kDenialsRules, &status) < 0) return -errno;
  const auto size = static_cast<size_t>(status.st_size);
  uint32_t bytes = 0;
  if (size < sizeof bytes) return -EPROTO;
  const void* const mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, kDenialsRules, 0);
  if (mapped == MAP_FAILED) return -errno;
  const auto* const rules = static_cast<const char*>(mapped);
  std::memcpy(&bytes, rules, sizeof bytes);
  if (bytes > sizeof answers || bytes % sizeof(sock_filter) != 0 || bytes > size - sizeof bytes) return -EPROTO;
  std::memcpy(answers, rules + sizeof bytes, bytes);
  answer_count = bytes / sizeof(sock_filter);
  // both parts before have sizes that a Look is aligned by
  looks = reinterpret_cast<const Look*>(rules + sizeof bytes + bytes);
  look_count = (size - sizeof bytes - bytes) / sizeof(Look);
  return 0;
}

}  // namespace

void denials_main() {
  if (read_rules() < 0 || confine() < 0) _exit(1);
  serve();
}

}  // namespace nacelle
