#include "denied_process.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace nacelle {
namespace {

constexpr size_t kPage = 4096;

unique_fd open_in(int proc, uint32_t thread, const char* file, int flags) {
  char path[32];
  std::snprintf(path, sizeof path, "%u/%s", thread, file);
  return unique_fd(openat(proc, path, flags | O_CLOEXEC));
}

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
  const unique_fd file = open_in(proc_, thread_, "status", O_RDONLY);
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
                  has_sigsys(line_of(status, "\nSigCgt:\t"));
}

// A page at a time, since a text may end just before memory that can't be read.
ssize_t DeniedProcess::read(uint64_t address, char* to, size_t size, bool text) const {
  const unique_fd memory = open_in(proc_, thread_, "mem", O_RDONLY);
  if (!memory) return -errno;
  size_t done = 0;
  while (done < size) {
    const uint64_t at = address + done;
    if (at < address || at > INT64_MAX) break;
    const size_t part = std::min<uint64_t>(size - done, kPage - at % kPage);
    const ssize_t count = pread(memory.get(), to + done, part, static_cast<off_t>(at));
    if (count < 0 && done == 0) return -errno;
    if (count <= 0) break;
    const void* const zero = text ? std::memchr(to + done, '\0', static_cast<size_t>(count)) : nullptr;
    if (zero != nullptr) return static_cast<const char*>(zero) - to;
    done += static_cast<size_t>(count);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace nacelle
