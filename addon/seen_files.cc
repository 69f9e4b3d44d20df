#include "seen_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace nacelle {
namespace {

constexpr int64_t kFollows = 1, kWasThere = 2, kByChange = 4, kByWrite = 8;

// As lib/native/seen-files.ts writes it.
struct Seen {
  int64_t bits, dev, ino, changed_ns, written_ns, size;
};

int64_t nanoseconds(const timespec& time) { return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec; }

bool is_as_seen(const char* path, const Seen& seen) {
  struct stat now {};
  if (fstatat(AT_FDCWD, path, &now, (seen.bits & kFollows) != 0 ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
    return (seen.bits & kWasThere) == 0 && (errno == ENOENT || errno == ENOTDIR);
  if ((seen.bits & kWasThere) == 0) return false;
  if (static_cast<int64_t>(now.st_dev) != seen.dev || static_cast<int64_t>(now.st_ino) != seen.ino) return false;
  if ((seen.bits & kByChange) != 0 && nanoseconds(now.st_ctim) != seen.changed_ns) return false;
  return (seen.bits & kByWrite) == 0 || (nanoseconds(now.st_mtim) == seen.written_ns && now.st_size == seen.size);
}

}  // namespace

Napi::Value AreAsSeen(const Napi::CallbackInfo& info) {
  const auto paths = info[0].As<Napi::Uint8Array>();
  const auto seen = info[1].As<Napi::BigInt64Array>();
  const char* path = reinterpret_cast<const char*>(paths.Data());
  const char* const end = path + paths.ByteLength();
  constexpr size_t kNumbers = sizeof(Seen) / sizeof(int64_t);
  bool are = true;
  size_t at = 0;
  for (; are && path < end && at + kNumbers <= seen.ElementLength(); at += kNumbers) {
    Seen one{};
    std::memcpy(&one, seen.Data() + at, sizeof one);
    are = is_as_seen(path, one);
    path += std::strlen(path) + 1;
  }
  return Napi::Boolean::New(info.Env(), are && path == end && at == seen.ElementLength());
}

}  // namespace nacelle
