#include "remove_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "../kernel/syscalls.h"
#include "folder.h"
#include "tree.h"

namespace nacelle::layer {
namespace {

// A folder on the way down. Only the deepest is open. The way up is '..', which must be the same folder as on the way down.
struct Level {
  std::string name;
  dev_t device = 0;
  ino_t inode = 0;
  bool kept = false;
  std::vector<std::string> folders;  // folders in it that are still to be removed
};

class Remover {
 public:
  explicit Remover(const Removal& how) : keep_(how.keep), opens_(how.opens && how.keep == nullptr) {}

  int run(int parent, const char* name);

 private:
  int entry(int folder, const char* name, std::vector<std::string>& folders) const;
  int entries(int folder, const std::vector<std::string>& names, std::vector<std::string>& folders, size_t& done) const;
  int enter(int parent, const std::string& name);
  int leave(int top);
  bool is_kept(const struct stat& status) const { return keep_ != nullptr && keep_->has(status); }

  const Inodes* keep_;
  const bool opens_;
  std::vector<Level> levels_;
  unique_fd current_;  // the deepest level
};

// Opens by openat2, since RESOLVE_NO_XDEV refuses a mount also where a bind shows the same file system.
int open_below(int at, const char* name, unique_fd& out, struct stat& status) {
  constexpr uint64_t kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  if (const int result = opened(sys_openat2(at, name, kFlags, 0, RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS), out); result < 0) return result;
  return fstat(out.get(), &status) < 0 ? -errno : 0;
}

// Removes one entry of a folder, or adds it to the folders that are left.
int Remover::entry(int folder, const char* name, std::vector<std::string>& folders) const {
  struct stat status {};
  if (const int result = status_of(folder, name, status); result < 0) return result == -ENOENT ? 0 : result;
  if (!S_ISDIR(status.st_mode)) return is_kept(status) || unlinkat(folder, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
  if (keep_ == nullptr) {
    if (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
    if (errno != ENOTEMPTY && errno != EEXIST) return -errno;
  }
  folders.emplace_back(name);
  return 0;
}

// Lets whoever is not root of the host remove what is in a folder of its own, whatever mode a program has given it. Root of a user
// namespace has no right over a folder whose group is none there, as a set-group-id folder hands its own on.
int make_passable(int parent, const char* name) {
  const unique_fd folder(openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return -errno;
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", folder.get());
  return checked_int(chmod(path, S_IRWXU));
}

// Goes on at the entry `done`, and leaves there the place of the one that failed.
int Remover::entries(int folder, const std::vector<std::string>& names, std::vector<std::string>& folders, size_t& done) const {
  for (; done < names.size(); ++done) {
    if (const int result = entry(folder, names[done].c_str(), folders); result < 0) return result;
  }
  return 0;
}

// Goes down into a folder, and removes everything in it but folders.
int Remover::enter(int parent, const std::string& name) {
  unique_fd folder;
  struct stat status {};
  std::vector<std::string> names;
  int result = open_below(parent, name.c_str(), folder, status);
  if (result == -EACCES && opens_) {
    result = make_passable(parent, name.c_str());
    if (result == 0) result = open_below(parent, name.c_str(), folder, status);
  }
  if (result == 0) result = read_names(folder.get(), names);
  Level level{name, status.st_dev, status.st_ino, is_kept(status), {}};
  size_t done = 0;
  if (result == 0) result = entries(folder.get(), names, level.folders, done);
  if (result == -EACCES && opens_ && make_passable(parent, name.c_str()) == 0) result = entries(folder.get(), names, level.folders, done);
  if (result < 0) return result == -ENOENT ? 0 : result;  // somebody else removes it too
  current_ = std::move(folder);
  levels_.push_back(std::move(level));
  return 0;
}

// Goes up from a folder in which nothing is left to be looked into, and removes it.
int Remover::leave(int top) {
  const Level level = std::move(levels_.back());
  levels_.pop_back();
  const bool done = levels_.empty();
  if (!done) {
    unique_fd above;
    struct stat status {};
    if (const int result = open_below(current_.get(), "..", above, status); result < 0) return result;
    if (status.st_ino != levels_.back().inode || status.st_dev != levels_.back().device) return -ESTALE;  // somebody has moved the folder
    current_ = std::move(above);
  }
  if (level.kept || unlinkat(done ? top : current_.get(), level.name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
  return keep_ != nullptr && errno == ENOTEMPTY ? 0 : -errno;  // the folder holds something that is kept
}

int Remover::run(int parent, const char* name) {
  std::vector<std::string> top;
  if (const int result = entry(parent, name, top); result < 0 || top.empty()) return result;
  int result = enter(parent, top.front());
  while (result == 0 && !levels_.empty()) {
    std::vector<std::string>& folders = levels_.back().folders;
    if (folders.empty()) {
      result = leave(parent);
    } else {
      const std::string next = std::move(folders.back());
      folders.pop_back();
      result = enter(current_.get(), next);
    }
  }
  return result;
}

}  // namespace

int remove_tree(int at, const char* path, const Removal& how) {
  const char* slash = std::strrchr(path, '/');
  if (slash == nullptr) return Remover(how).run(at, path);
  // the path to the tree may cross mounts, which are refused only inside the tree
  const std::string folder(path, static_cast<size_t>(slash - path) + 1);
  const unique_fd parent(openat(at, folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return errno == ENOENT ? 0 : -errno;
  return Remover(how).run(parent.get(), slash + 1);
}

}  // namespace nacelle::layer
