// Before all else in each file of the shim of a prebuild, which is linked with musl, since that makes a static program of a third of
// the size: what libstdc++'s headers and ours take for granted of glibc's.
#ifndef NACELLE_PREBUILD_MUSL_H
#define NACELLE_PREBUILD_MUSL_H

// Debian's libstdc++ was configured for glibc.
#define __GLIBC_PREREQ(major, minor) 0
#define __locale_t locale_t

// musl has statx since 1.2.5, without the fields of later kernels: what is seen here is the kernel's own.
#define statx musl_statx
#define statx_timestamp musl_statx_timestamp
#include <sys/stat.h>
#undef statx
#undef statx_timestamp

#include <linux/close_range.h>
#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

// glibc has an enumeration for these.
using __rlimit_resource = int;

#ifndef W_EXITCODE
#define W_EXITCODE(status, signal) ((status) << 8 | (signal))
#endif

// musl gives memory back by itself.
inline int malloc_trim(size_t) { return 0; }

inline int statx(int at, const char* path, int flags, unsigned mask, struct statx* status) {
  return static_cast<int>(syscall(SYS_statx, at, path, flags, mask, status));
}

#endif
