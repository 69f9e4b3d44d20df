#include "log.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "../kernel/file_io.h"
#include "../kernel/syscall_filter.h"
#include "last_copy.h"

namespace nacelle {
namespace {

constexpr size_t kBlock = 64 * 1024;
char block[kBlock];

size_t source_count = 0;
bool is_open[kMaxSources];
uint64_t most_bytes = 0, most_segments = 0;

int segment = -1;
uint64_t number = 0;   // of the segment
uint64_t written = 0;  // bytes in the segment
uint64_t lost = 0;     // bytes since the last record

struct Name {
  char text[24];
  explicit Name(uint64_t of) { std::snprintf(text, sizeof text, "%08llu", static_cast<unsigned long long>(of)); }
};

// Begins the next segment, and removes the one that is too old. False when it can't be made now.
bool next_segment() {
  const int next = openat(kLogFolder, Name(number + 1).text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (next < 0) return false;
  if (segment >= 0) close(segment);
  segment = next;
  ++number;
  written = 0;
  if (number > most_segments) unlinkat(kLogFolder, Name(number - most_segments).text, 0);
  return true;
}

// A record that is cut off is taken back, so that readers never see half of one that is followed by another.
void append(uint32_t stream, size_t size) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  LogRecord record{};
  record.time_ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  record.lost = lost;
  record.size = static_cast<uint32_t>(size);
  record.stream = stream;
  const size_t whole = sizeof record + size;
  // a segment that can't be followed by a new one grows on: nothing is lost for that
  if (segment < 0 || (written > 0 && written + whole > most_bytes)) next_segment();
  const iovec parts[] = {{&record, sizeof record}, {block, size}};
  ssize_t count = -1;
  if (segment >= 0) {
    do {
      count = writev(segment, parts, 2);
    } while (count < 0 && errno == EINTR);
  }
  if (count == static_cast<ssize_t>(whole)) {
    written += whole;
    lost = 0;
    return;
  }
  lost += size;
  if (count > 0 && (ftruncate(segment, static_cast<off_t>(written)) < 0 || lseek(segment, 0, SEEK_END) < 0)) {
    // what is in the segment can't be told any more: readers stop there, and go on with the next
    close(segment);
    segment = -1;
  }
}

// Takes at most a block from a source. Returns how many bytes, 0 when there are none now or any more.
size_t take(size_t source, size_t most) {
  const ssize_t count = read_some(kLogFirst + static_cast<int>(source), block, std::min(most, sizeof block));
  if (count < 0 && errno == EAGAIN) return 0;
  if (count <= 0) {
    close(kLogFirst + static_cast<int>(source));
    is_open[source] = false;
    return 0;
  }
  append(static_cast<uint32_t>(source) + 1, static_cast<size_t>(count));
  return static_cast<size_t>(count);
}

[[noreturn]] void finish() {
  for (size_t i = 0; i < source_count; ++i) {
    if (is_open[i]) copy_the_rest(kLogFirst + static_cast<int>(i), [i](size_t most) { return take(i, most); });
  }
  _exit(0);
}

[[noreturn]] void serve() {
  for (;;) {
    pollfd waits[1 + kMaxSources] = {{kLogControl, POLLIN, 0}};
    for (size_t i = 0; i < kMaxSources; ++i) {
      waits[1 + i].fd = is_open[i] ? kLogFirst + static_cast<int>(i) : -1;
      waits[1 + i].events = POLLIN;
    }
    if (ppoll(waits, 1 + kMaxSources, nullptr, nullptr) < 0 && errno != EINTR) _exit(1);
    for (size_t i = 0; i < source_count; ++i) {
      if (waits[1 + i].revents != 0) take(i, kBlock);
    }
    if (waits[0].revents != 0) finish();
  }
}

int confine() {
  // the folder becomes all that this process can name
  if (fchdir(kLogFolder) < 0 || chroot(".") < 0) return -errno;
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NAME, kLogName) < 0) return -errno;
  if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR) return -errno;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  if (syscall(SYS_capset, &header, none) < 0) return -errno;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
  SyscallFilter filter;
  for (const uint32_t call :
       {SYS_read, SYS_writev, SYS_ppoll, SYS_close, SYS_ftruncate, SYS_lseek, SYS_clock_gettime, SYS_restart_syscall, SYS_exit_group}) {
    filter.allow(call);
  }
  for (const uint32_t call : {SYS_openat, SYS_unlinkat}) filter.allow_with(call, 0, {static_cast<uint32_t>(kLogFolder)});
  filter.allow_with(SYS_ioctl, 1, {FIONREAD});
  return filter.install();
}

// A container that is started again goes on after its last segment.
uint64_t last_segment() {
  uint64_t last = 0;
  Folder folder(unique_fd(openat(kLogFolder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  while (folder.opened()) {
    const char* name = folder.next();
    if (name == nullptr) break;
    last = std::max<uint64_t>(last, std::strtoull(name, nullptr, 10));
  }
  return last;
}

uint64_t number_of(const char* text) { return std::strtoull(text, nullptr, 10); }

}  // namespace

void log_main(const char* sources, const char* bytes, const char* segments) {
  source_count = std::min(static_cast<size_t>(number_of(sources)), kMaxSources);
  most_bytes = number_of(bytes);
  most_segments = std::max<uint64_t>(number_of(segments), 1);
  for (size_t i = 0; i < source_count; ++i) {
    is_open[i] = true;
    if (fcntl(kLogFirst + static_cast<int>(i), F_SETFL, O_NONBLOCK) < 0) _exit(1);
  }
  number = last_segment();
  if (confine() < 0) _exit(1);
  serve();
}

}  // namespace nacelle
