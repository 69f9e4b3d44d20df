#include "pump.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "../kernel/syscall_filter.h"
#include "last_copy.h"

namespace nacelle {
namespace {

struct Copy {
  int from = -1, to = -1;
  bool is_input = false;  // the copy goes to the program
  bool is_open = false;
};

Copy copies[kMaxCopies];
size_t copy_count = 0;

constexpr size_t kBlock = 64 * 1024;
char block[kBlock];
// Bytes of the input that were read and are not yet in the pipe. A program has one input at most.
char pending[kBlock];
size_t pending_at = 0, pending_size = 0;

void close_copy(Copy& copy) {
  close(copy.from);
  close(copy.to);
  copy.is_open = false;
}

void fail(Copy& copy, int error, bool while_reading) {
  const PumpFailure failure{static_cast<uint32_t>(&copy - copies), error, while_reading};
  // the shim has ended, so nobody is left to tell
  if (send(kPumpControl, &failure, sizeof failure, MSG_NOSIGNAL) < 0) _exit(1);
  close_copy(copy);
}

// Writes as much of the input as the pipe takes now.
void feed(Copy& copy) {
  for (;;) {
    if (pending_at == pending_size) {
      const ssize_t count = read_some(copy.from, pending, sizeof pending);
      if (count < 0) return fail(copy, errno, true);
      if (count == 0) return close_copy(copy);
      pending_at = 0;
      pending_size = static_cast<size_t>(count);
    }
    const ssize_t count = write(copy.to, pending + pending_at, pending_size - pending_at);
    if (count < 0 && errno == EAGAIN) return;
    // EPIPE: the program has closed its stdin, or ended
    if (count < 0 && errno != EINTR) return close_copy(copy);
    if (count > 0) pending_at += static_cast<size_t>(count);
  }
}

// Copies at most a block, waiting for the file. Returns how many bytes, 0 when the pipe has none.
size_t drain(Copy& copy, size_t most) {
  const ssize_t count = read_some(copy.from, block, std::min(most, sizeof block));
  if (count < 0 && errno == EAGAIN) return 0;
  if (count <= 0) return close_copy(copy), 0;
  for (ssize_t done = 0; done < count;) {
    const ssize_t written = write(copy.to, block + done, static_cast<size_t>(count - done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(copy, written < 0 ? errno : EIO, false), 0;
    done += written;
  }
  return static_cast<size_t>(count);
}

[[noreturn]] void finish() {
  for (Copy& copy : copies) {
    if (copy.is_open && !copy.is_input) copy_the_rest(copy.from, [&copy](size_t most) { return drain(copy, most); });
  }
  _exit(0);
}

[[noreturn]] void serve() {
  for (;;) {
    pollfd waits[1 + kMaxCopies] = {{kPumpControl, POLLIN, 0}};
    bool works = false;
    for (size_t i = 0; i < kMaxCopies; ++i) {
      const Copy& copy = copies[i];
      works = works || copy.is_open;
      waits[1 + i].fd = !copy.is_open ? -1 : copy.is_input ? copy.to : copy.from;
      waits[1 + i].events = copy.is_input ? POLLOUT : POLLIN;
    }
    if (!works) _exit(0);
    if (ppoll(waits, 1 + kMaxCopies, nullptr, nullptr) < 0 && errno != EINTR) _exit(1);
    for (size_t i = 0; i < kMaxCopies; ++i) {
      if (waits[1 + i].revents == 0) continue;
      if (copies[i].is_input) {
        feed(copies[i]);
      } else {
        drain(copies[i], kBlock);
      }
    }
    if (waits[0].revents != 0) finish();
  }
}

int confine() {
  // this comes first: other processes in its pid namespace may try to take its descriptors
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NAME, kPumpName) < 0) return -errno;
  if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR) return -errno;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  if (syscall(SYS_capset, &header, none) < 0) return -errno;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
  SyscallFilter filter;
  for (const uint32_t call : {SYS_read, SYS_write, SYS_ppoll, SYS_close, SYS_restart_syscall, SYS_exit_group}) filter.allow(call);
  filter.allow_with(SYS_sendto, 0, {kPumpControl});
  filter.allow_with(SYS_ioctl, 1, {FIONREAD});
  return filter.install();
}

// Finds out whether a copy goes to the program or comes from it. The pump's end of the pipe must not block, or the others would wait.
int look_at(Copy& copy) {
  struct stat from {};
  if (fstat(copy.from, &from) < 0) return -errno;
  copy.is_input = !S_ISFIFO(from.st_mode);
  copy.is_open = true;
  return fcntl(copy.is_input ? copy.to : copy.from, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

}  // namespace

void pump_main(const char* count) {
  copy_count = std::min(static_cast<size_t>(std::strtoul(count, nullptr, 10)), kMaxCopies);
  int result = 0;
  for (size_t i = 0; i < copy_count && result == 0; ++i) {
    copies[i].from = kPumpFirst + static_cast<int>(2 * i);
    copies[i].to = copies[i].from + 1;
    result = look_at(copies[i]);
  }
  if (result == 0) result = confine();
  if (result == 0) serve();
  // the pump never works without its filter
  fail(copies[0], -result, false);
  _exit(1);
}

}  // namespace nacelle
