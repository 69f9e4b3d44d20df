#include "denied_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace nacelle {
namespace {

constexpr size_t kPage = 4096;

// The text behind a name, which a line begins with; nullptr without one. A process chooses its own name, the first line, but no newline in
// it.
const char* line_of(const char* status, const char* name) {
  const char* const found = std::strstr(status, name);
  return found == nullptr ? nullptr : found + std::strlen(name);
}

pid_t number_of(const char* text) { return text == nullptr ? 0 : static_cast<pid_t>(std::strtol(text, nullptr, 10)); }

bool has_sigsys(const char* mask) { return mask == nullptr || (std::strtoull(mask, nullptr, 16) & (1ULL << (SIGSYS - 1))) != 0; }

// The last of several numbers, which is that of the innermost pid namespace.
bool ends_with_one(const char* numbers) {
  if (numbers == nullptr) return false;
  const char* const end = std::strchr(numbers, '\n');
  return end != nullptr && end - numbers >= 2 && end[-1] == '1' && end[-2] == '\t';
}

}  // namespace

void DeniedProcess::read_status() {
  char status[8192];
  char path[32];
  std::snprintf(path, sizeof path, "%u/status", thread_);
  const unique_fd file(openat(proc_, path, O_RDONLY | O_CLOEXEC));
  if (!file) return;
  size_t size = 0;
  for (ssize_t count = 1; count > 0 && size < sizeof status - 1; size += static_cast<size_t>(count)) {
    count = ::read(file.get(), status + size, sizeof status - 1 - size);
    if (count < 0) return;
  }
  status[size] = '\0';
  pid_ = number_of(line_of(status, "\nTgid:\t"));
  parent_ = number_of(line_of(status, "\nPPid:\t"));
  is_init_ = ends_with_one(line_of(status, "\nNSpid:"));
  minds_sigsys_ = has_sigsys(line_of(status, "\nSigBlk:\t")) || has_sigsys(line_of(status, "\nSigIgn:\t")) ||
                  has_sigsys(line_of(status, "\nSigCgt:\t")) || number_of(line_of(status, "\nTracerPid:\t")) != 0;
}

// A page at a time, since a text may end just before memory that can't be read. Not by /proc/PID/mem, whose owner is the program's user: to
// open that takes the right to read all files.
ssize_t DeniedProcess::read(uint64_t address, char* to, size_t size, bool text) const {
  size_t done = 0;
  while (done < size) {
    const uint64_t at = address + done;
    if (at < address) break;
    const size_t part = std::min<uint64_t>(size - done, kPage - at % kPage);
    const iovec local{to + done, part};
    // an address of the other process, which is no pointer here
    iovec remote{nullptr, part};
    static_assert(sizeof remote.iov_base == sizeof at);
    std::memcpy(&remote.iov_base, &at, sizeof at);
    const ssize_t count = process_vm_readv(static_cast<pid_t>(thread_), &local, 1, &remote, 1, 0);
    if (count < 0 && done == 0) return -errno;
    if (count <= 0) break;
    const void* const zero = text ? std::memchr(to + done, '\0', static_cast<size_t>(count)) : nullptr;
    if (zero != nullptr) return static_cast<const char*>(zero) - to;
    done += static_cast<size_t>(count);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace nacelle
