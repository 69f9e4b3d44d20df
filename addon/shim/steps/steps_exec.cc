#include <climits>
#include <cstring>

#include <sys/stat.h>

#include "../kernel/syscalls.h"
#include "steps.h"

namespace nacelle {
namespace {

constexpr size_t kMaxStrings = 64 * 1024;
constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Collects pointers to the strings in the plan's message, ended by a null pointer.
size_t collect(const List<Str>& list, const char** out, size_t room) {
  size_t count = 0;
  for (const Str& item : list) {
    if (count == room) return room + 1;
    out[count++] = item.text;
  }
  out[count] = nullptr;
  return count;
}

const char* find_variable(const char* const* env, const char* name) {
  const size_t length = std::strlen(name);
  for (; *env != nullptr; ++env) {
    if (std::strncmp(*env, name, length) == 0 && (*env)[length] == '=') return *env + length + 1;
  }
  return nullptr;
}

int execute(const char* path, const char* const* argv, const char* const* env) {
  execve(path, const_cast<char* const*>(argv), const_cast<char* const*>(env));
  return -errno;
}

// Whether this process may execute the file: 0 or -errno.
int is_executable(const char* path) {
  struct stat status {};
  if (stat(path, &status) < 0) return -errno;
  if (S_ISDIR(status.st_mode)) return -EISDIR;
  return S_ISREG(status.st_mode) && (status.st_mode & 0111) != 0 ? 0 : -EACCES;
}

// Tries a name in each folder of a PATH until `attempt` answers something else than that there is no such file: as execvp(3), but it does
// not start a shell for scripts that name no interpreter.
template <typename Attempt>
int search(const char* name, const char* path, Attempt attempt) {
  int worst = -ENOENT;
  while (true) {
    const size_t length = std::strcspn(path, ":");
    char candidate[PATH_MAX];
    const int size = std::snprintf(candidate, sizeof candidate, "%.*s/%s", static_cast<int>(length), length == 0 ? "." : path, name);
    const bool fits = size > 0 && static_cast<size_t>(size) < sizeof candidate;
    const int result = fits ? attempt(candidate) : -ENAMETOOLONG;
    if (result == -EACCES || result == -EISDIR) {
      worst = result;
    } else if (result != -ENOENT && result != -ENOTDIR && result != -ENAMETOOLONG) {
      return result;
    }
    if (path[length] == '\0') return worst;
    path += length + 1;
  }
}

}  // namespace

int run(Context& context, const args::find_program& a) {
  // engines look for these words
  const auto told = [&](int result) {
    return result == -EISDIR ? context.failed(result, "what is executed is not a regular file") : result;
  };
  if (std::strchr(a.path.text, '/') != nullptr) return told(is_executable(a.path.text));
  static const char* env[kMaxStrings + 2];
  if (collect(a.env, env, kMaxStrings) > kMaxStrings) return -E2BIG;
  const char* path = find_variable(env, "PATH");
  const int result = told(search(a.path.text, path == nullptr ? kDefaultPath : path, is_executable));
  return result == -ENOENT ? context.failed(result, "executable file not found in $PATH") : result;
}

int run(Context& context, const args::exec& a) {
  static const char* argv[kMaxStrings + 2];
  static const char* env[kMaxStrings + 3];
  static char home[sizeof(Account::home) + 8];
  const size_t arguments = collect(a.argv, argv, kMaxStrings);
  size_t variables = collect(a.env, env, kMaxStrings);
  if (arguments > kMaxStrings || variables > kMaxStrings) return -E2BIG;
  if (context.account.known && find_variable(env, "HOME") == nullptr) {
    std::snprintf(home, sizeof home, "HOME=%s", context.account.home);
    env[variables++] = home;
    env[variables] = nullptr;
  }
  // Execve closes whatever was opened on the way, also descriptors that were not close-on-exec. A filter that was written before Linux 5.9
  // does not know the call, and may have any errno: whoever loaded it did the same, and since then all were opened so.
  const int closed = sys_close_range(3 + context.passed, ~0U, CLOSE_RANGE_CLOEXEC);
  if (closed < 0 && closed != -ENOSYS && !is_filtered()) return closed;
  if (std::strchr(a.path.text, '/') != nullptr) return execute(a.path.text, argv, env);
  const char* path = find_variable(env, "PATH");
  const auto attempt = [](const char* candidate) { return execute(candidate, argv, env); };
  const int result = search(a.path.text, path == nullptr ? kDefaultPath : path, attempt);
  return result == -ENOENT ? context.failed(result, "no such program in its PATH") : result;
}

}  // namespace nacelle
