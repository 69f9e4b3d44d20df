// What the addon of a prebuild has of the C library's own, so that one file loads with every glibc from 2.28 on, as Node 20 does, and with
// musl: functions that glibc names otherwise since, and those of its headers' checks (_FORTIFY_SOURCE), which musl lacks.
// else the headers would have the functions below call themselves
#undef _FORTIFY_SOURCE

#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl50-cpp): their names are those of the library

extern "C" {

// Functions since glibc 2.33. On these machines struct stat is the kernel's.
int fstat(int fd, struct stat* status) noexcept { return static_cast<int>(syscall(SYS_fstat, fd, status)); }
int fstatat(int at, const char* path, struct stat* status, int flags) noexcept {
  return static_cast<int>(syscall(SYS_newfstatat, at, path, status, flags));
}

// What arm64's compiler asks for the processor's atomic instructions by, of glibc alone.
unsigned long __getauxval(unsigned long type) { return getauxval(type); }

void* __memcpy_chk(void* to, const void* from, size_t size, size_t room) {
  if (size > room) abort();
  return memcpy(to, from, size);
}

int __snprintf_chk(char* to, size_t size, int, size_t room, const char* format, ...) {
  if (size > room) abort();
  va_list values;
  va_start(values, format);
  const int length = vsnprintf(to, size, format, values);
  va_end(values);
  return length;
}

int __vsnprintf_chk(char* to, size_t size, int, size_t room, const char* format, va_list values) {
  if (size > room) abort();
  return vsnprintf(to, size, format, values);
}

// CMSG_NXTHDR of glibc's headers: the message behind this one, or nullptr when it is not there as a whole.
struct cmsghdr* __cmsg_nxthdr(struct msghdr* all, struct cmsghdr* one) noexcept {
  if (one->cmsg_len < sizeof(struct cmsghdr)) return nullptr;
  const char* end = static_cast<char*>(all->msg_control) + all->msg_controllen;
  const auto left = static_cast<size_t>(end - reinterpret_cast<char*>(one));
  if (one->cmsg_len > left || left - one->cmsg_len < sizeof(struct cmsghdr)) return nullptr;
  const size_t next = CMSG_ALIGN(one->cmsg_len);
  if (next > left || left - next < sizeof(struct cmsghdr)) return nullptr;
  auto* header = reinterpret_cast<struct cmsghdr*>(reinterpret_cast<char*>(one) + next);
  return header->cmsg_len > left - next ? nullptr : header;
}

}  // extern "C"

// NOLINTEND(bugprone-reserved-identifier,cert-dcl50-cpp)
