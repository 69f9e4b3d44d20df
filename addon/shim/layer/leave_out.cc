#include "leave_out.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <optional>
#include <vector>

namespace nacelle::layer {
namespace {

constexpr int kMostLinks = 40;  // as the kernel follows (path_resolution(7))

// What follows goes before what is left: the last is the next.
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

// `name` in the folder `path`, all of them real; when it is a link, what it says.
int find(const Merged& lower, const std::vector<std::string>& path, const std::string& name, std::optional<std::string>& link) {
  std::optional<Found> last;
  const auto folder = [&]() -> const Merged& { return last ? last->folder : lower; };
  for (const std::string& component : path) {
    Found next;
    if (const int result = look_up(folder(), component.c_str(), next); result < 0) return result;
    last = std::move(next);  // what doesn't exist has no folders
  }
  Found found;
  if (const int result = look_up(folder(), name.c_str(), found); result < 0) return result;
  if (!found.exists || !S_ISLNK(found.status.st_mode)) return 0;
  link.emplace();
  return read_link(folder(), name, *link);
}

int follow(const Merged& lower, const std::string& path, std::string& result) {
  std::vector<std::string> done, left;
  push_components(path, left);
  for (int links = 0; !left.empty();) {
    const std::string name = std::move(left.back());
    left.pop_back();
    if (name == ".") continue;
    if (name == "..") {
      if (!done.empty()) done.pop_back();
      continue;
    }
    std::optional<std::string> link;
    if (const int found = find(lower, done, name, link); found < 0) return found;
    if (!link) {
      done.push_back(name);
      continue;
    }
    if (++links > kMostLinks) return -ELOOP;
    if (!link->empty() && link->front() == '/') done.clear();
    push_components(*link, left);
  }
  result.clear();
  for (const std::string& name : done) result.append(result.empty() ? "" : "/").append(name);
  return 0;
}

int follow_all(const Merged& lower, std::unordered_set<std::string>& paths) {
  std::unordered_set<std::string> followed;
  for (const std::string& path : paths) {
    std::string real;
    if (const int result = follow(lower, path, real); result < 0) return result;
    followed.insert(std::move(real));
  }
  paths = std::move(followed);
  return 0;
}

}  // namespace

bool LeaveOut::add(std::string_view key, std::string_view value) {
  if (value.empty() || value.front() == '/' || value.back() == '/') return false;
  if (key != "exclude" && key != "empty") return false;
  (key == "exclude" ? exclude_ : empty_).emplace(value);
  return true;
}

int LeaveOut::resolve(const Merged& lower) {
  const int result = follow_all(lower, exclude_);
  return result < 0 ? result : follow_all(lower, empty_);
}

}  // namespace nacelle::layer
