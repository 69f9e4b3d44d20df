#include "leave_out.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <utility>
#include <vector>

#include "failure.h"

namespace nacelle::layer {
namespace {

constexpr int kMostLinks = 40;  // the kernel's own limit (path_resolution(7))

// Puts the components of `path` before those that are left. The last of `left` is the next one.
void push_components(std::string_view path, std::vector<std::string>& left) {
  for (size_t end = path.size(); end > 0;) {
    const size_t slash = path.rfind('/', end - 1);
    const size_t start = slash == std::string_view::npos ? 0 : slash + 1;
    if (end > start) left.emplace_back(path.substr(start, end - start));
    end = start == 0 ? 0 : start - 1;
  }
}

int read_link(const Merged& folder, const std::string& name, std::string& target) {
  char text[PATH_MAX];
  for (const unique_fd& layer : folder.folders) {
    const ssize_t length = readlinkat(layer.get(), name.c_str(), text, sizeof text);
    if (length < 0 && errno == ENOENT) continue;
    if (length < 0) return -errno;
    target.assign(text, static_cast<size_t>(length));
    return 0;
  }
  return -ENOENT;
}

// Follows paths over the lower layers, as the kernel would over the mounted overlay.
class Walk {
 public:
  explicit Walk(const Merged& lower) : lower_(lower) {}

  // Gives the path to which the links lead. 0 or -errno: -ELOOP and -ENAMETOOLONG mean that nothing can be mounted there.
  int follow(const std::string& path, std::string& result);
  // Of the path that was followed last: what must be made to mount there, and, if anything must, the folders that are there above it.
  void split(std::unordered_set<std::string>& missing, std::unordered_set<std::string>& ways) const;

 private:
  struct Folder {
    std::string name;
    Found found;  // when nothing is there, this has no layers
  };
  const Merged& here() const { return path_.empty() ? lower_ : path_.back().found.folder; }
  int enter(std::string name, std::vector<std::string>& left, int& links);

  const Merged& lower_;
  std::vector<Folder> path_;
  uint64_t looks_ = 0;
};

// The limit for all paths together: an image has few volumes, and few links lead to them.
constexpr uint64_t kMostLooks = 1'000'000;

int Walk::enter(std::string name, std::vector<std::string>& left, int& links) {
  looks_ += here().folders.size();
  if (looks_ > kMostLooks) return -kBeyondLimit;
  Found found;
  if (const int result = look_up(here(), name.c_str(), found); result < 0) return result;
  if (!found.exists || !S_ISLNK(found.status.st_mode)) {
    path_.push_back({std::move(name), std::move(found)});
    return 0;
  }
  std::string link;
  if (const int result = read_link(here(), name, link); result < 0) return result;
  if (++links > kMostLinks) return -ELOOP;
  if (!link.empty() && link.front() == '/') path_.clear();
  push_components(link, left);
  return 0;
}

int Walk::follow(const std::string& path, std::string& result) {
  std::vector<std::string> left;
  path_.clear();
  push_components(path, left);
  for (int links = 0; !left.empty();) {
    std::string name = std::move(left.back());
    left.pop_back();
    if (name == ".") continue;
    if (name == "..") {
      if (!path_.empty()) path_.pop_back();
    } else if (const int entered = enter(std::move(name), left, links); entered < 0) {
      return entered;
    }
  }
  result.clear();
  for (const Folder& folder : path_) result.append(result.empty() ? "" : "/").append(folder.name);
  return 0;
}

void Walk::split(std::unordered_set<std::string>& missing, std::unordered_set<std::string>& ways) const {
  if (path_.empty() || path_.back().found.exists) return;
  std::string path;
  for (const Folder& folder : path_) {
    path.append(path.empty() ? "" : "/").append(folder.name);
    (folder.found.exists ? ways : missing).insert(path);
  }
}

int follow_all(Walk& walk, std::unordered_set<std::string>& paths) {
  std::unordered_set<std::string> followed;
  for (const std::string& path : paths) {
    std::string real;
    const int result = walk.follow(path, real);
    // nothing can be mounted there, but the container runs: so another mount above hides this path
    const bool leads_nowhere = result == -ELOOP || result == -ENAMETOOLONG;
    if (result < 0 && !leads_nowhere) return result;
    followed.insert(leads_nowhere ? path : real);
  }
  paths = std::move(followed);
  return 0;
}

}  // namespace

bool LeaveOut::add(std::string_view key, std::string_view value) {
  if (value.empty() || value.front() == '/' || value.back() == '/') return false;
  if (key != "exclude" && key != "empty" && key != "stub") return false;
  (key == "exclude" ? exclude_ : key == "empty" ? empty_ : mounted_).emplace(value);
  return true;
}

int LeaveOut::resolve(const Merged& lower) {
  Walk walk(lower);
  for (const auto* paths : {&exclude_, &mounted_}) {
    for (const std::string& path : *paths) {
      std::string real;
      const int result = walk.follow(path, real);
      if (result == -ELOOP || result == -ENAMETOOLONG) continue;
      if (result < 0) return result;
      walk.split(stubs_, ways_);
    }
  }
  const int result = follow_all(walk, exclude_);
  return result < 0 ? result : follow_all(walk, empty_);
}

}  // namespace nacelle::layer
