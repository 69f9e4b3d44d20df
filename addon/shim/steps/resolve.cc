#include "resolve.h"

#include <climits>
#include <cstdio>
#include <cstring>

#include <sys/stat.h>

#include "../kernel/syscalls.h"

namespace nacelle {
namespace {

constexpr uint64_t kInRoot = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
constexpr uint64_t kWithoutLinks = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;

const char* skip_slashes(const char* path) {
  while (*path == '/') ++path;
  return path;
}

bool is_dot(const char* name) { return std::strcmp(name, ".") == 0; }
bool is_dot_dot(const char* name) { return std::strcmp(name, "..") == 0; }

}  // namespace

int open_in_root(int root, const char* path, int flags, unique_fd& out) {
  return opened(sys_openat2(root, *path == '\0' ? "." : path, static_cast<uint64_t>(flags | O_CLOEXEC), 0, kInRoot), out);
}

int open_without_links(int root, const char* path, int flags, unique_fd& out) {
  return opened(sys_openat2(root, path, static_cast<uint64_t>(flags | O_CLOEXEC), 0, kWithoutLinks), out);
}

std::string find_link(int root, const char* path) {
  unique_fd unused;
  for (const char* end = skip_slashes(path); *end != '\0'; end = skip_slashes(end)) {
    end += std::strcspn(end, "/");
    std::string prefix(path, static_cast<size_t>(end - path));
    if (open_without_links(root, prefix.c_str(), O_PATH, unused) == -ELOOP) return prefix;
  }
  return path;
}

int make_folder(int root, const char* path, unsigned mode, unique_fd& out, bool& made, const Owner& owner, const Ground& ground) {
  made = false;
  const int found = open_in_root(root, path, O_PATH | O_DIRECTORY, out);
  if (found != -ENOENT) return found;

  char prefix[PATH_MAX];
  if (std::strlen(path) >= sizeof prefix) return -ENAMETOOLONG;
  unique_fd parent;
  int result = open_in_root(root, ".", O_PATH | O_DIRECTORY, parent);
  const char* component = skip_slashes(path);
  while (result == 0 && *component != '\0') {
    const char* end = component + std::strcspn(component, "/");
    const char* next = skip_slashes(end);
    std::memcpy(prefix, path, static_cast<size_t>(end - path));
    prefix[end - path] = '\0';
    const char* name = prefix + (component - path);
    unique_fd folder;
    // the kernel resolves each prefix from the root again: only then do its links and '..' stay inside
    result = open_in_root(root, prefix, O_PATH | O_DIRECTORY, folder);
    made = false;
    if (result == -ENOENT && !is_dot(name) && !is_dot_dot(name)) {
      result = ground.holds(parent.get());
      if (result < 0) return result;
      if (mkdirat(parent.get(), name, *next == '\0' ? mode : 0755) == 0) {
        made = true;
      } else if (errno != EEXIST) {
        return -errno;
      }
      // O_NOFOLLOW: a dangling link of the image is an error here
      result = opened(checked_int(openat(parent.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)), folder);
      if (result == 0 && made && (owner.uid != 0 || owner.gid != 0))
        result = checked_int(fchownat(folder.get(), "", owner.uid, owner.gid, AT_EMPTY_PATH));
    }
    parent = std::move(folder);
    component = next;
  }
  if (result == 0) out = std::move(parent);
  return result;
}

void find_bad_link(int root, const char* path, char* text, size_t size) {
  char prefix[PATH_MAX];
  if (std::strlen(path) >= sizeof prefix) return;
  for (const char* component = skip_slashes(path); *component != '\0';) {
    const char* end = component + std::strcspn(component, "/");
    std::memcpy(prefix, path, static_cast<size_t>(end - path));
    prefix[end - path] = '\0';
    component = skip_slashes(end);
    unique_fd followed;
    unique_fd itself;
    if (open_in_root(root, prefix, O_PATH, followed) == 0) continue;
    struct stat status {};
    const bool link =
        open_in_root(root, prefix, O_PATH | O_NOFOLLOW, itself) == 0 && fstat(itself.get(), &status) == 0 && S_ISLNK(status.st_mode);
    if (link) std::snprintf(text, size, "%s is a symbolic link that can not be followed inside", prefix);
    return;
  }
}

int open_parent(int root, const char* path, unique_fd& parent, const char*& name, const Owner& owner, const Ground& ground) {
  size_t length = std::strlen(path);
  while (length > 0 && path[length - 1] == '/') --length;
  size_t start = length;
  while (start > 0 && path[start - 1] != '/') --start;
  name = path + start;
  if (length == start || path[length] == '/' || is_dot(name) || is_dot_dot(name)) return -EINVAL;
  char folder[PATH_MAX];
  if (start >= sizeof folder) return -ENAMETOOLONG;
  std::memcpy(folder, path, start);
  folder[start] = '\0';
  // the root itself is not looked up again, which takes three times as long as a copy of its descriptor
  const bool is_root = root >= 0 && *skip_slashes(folder) == '\0';
  bool made = false;
  const int result =
      is_root ? opened(checked_int(fcntl(root, F_DUPFD_CLOEXEC, 0)), parent) : make_folder(root, folder, 0755, parent, made, owner, ground);
  return result < 0 ? result : ground.holds(parent.get());
}

int follow_link(int parent, const char* name, std::string& path) {
  char link[PATH_MAX];
  const ssize_t length = readlinkat(parent, name, link, sizeof link);
  if (length < 0) return errno == EINVAL ? 0 : -errno;  // EINVAL: it is no link
  path.resize(length > 0 && link[0] == '/' ? 0 : static_cast<size_t>(name - path.c_str()));
  path.append(link, static_cast<size_t>(length));
  return path.size() < PATH_MAX ? 1 : -ENAMETOOLONG;
}

}  // namespace nacelle
