#include "changes.h"

#include <algorithm>
#include <cerrno>

#include "folder.h"
#include "merged.h"
#include "options.h"
#include "output.h"
#include "path.h"
#include "stubs.h"
#include "xattrs.h"

namespace nacelle {
namespace {

using namespace layer;

char type_of(const struct stat& status) {
  if (S_ISREG(status.st_mode)) return 'f';
  if (S_ISDIR(status.st_mode)) return 'd';
  return S_ISLNK(status.st_mode) ? 'l' : 'o';
}

class Lister {
 public:
  Lister(int output_fd, const ChangesOptions& options, const Merged& lower, Failure& why)
      : output_(output_fd), options_(options), lower_(lower), why_(why) {}

  // With `hides` nothing of the lower folder shows through the upper one.
  int folder(int upper, const Merged& lower, bool hides, const std::string& path);
  int put(char kind, char type, std::string_view path);
  int flush() { return wrote(output_.flush()); }

 private:
  int entry(int upper, const Merged& lower, bool hides, const std::string& name, const std::string& path);
  int subfolder(int upper, Found& below, bool hides, const std::string& name, const std::string& path);
  int gone(const Found& below, const std::string& path) { return below.exists ? put('D', type_of(below.status), path) : 0; }
  int wrote(int result) { return result < 0 ? fail(why_, -result, "writing the list of changes") : 0; }
  int failed(int error, const std::string& path) {
    const char* what = error == -EOPNOTSUPP ? "it was renamed by reference (redirect_dir), which is not supported" : "reading it";
    return fail(why_, -error, "%s: %s", shown(path).c_str(), what);
  }

  Output output_;
  const ChangesOptions& options_;
  const Merged& lower_;
  Failure& why_;
};

int Lister::put(char kind, char type, std::string_view path) {
  const uint32_t length = static_cast<uint32_t>(path.size());
  char head[8] = {kind, type, 0, 0};
  for (int i = 0; i < 4; ++i) head[4 + i] = static_cast<char>(length >> (8 * i));
  output_.put({head, sizeof head});
  return wrote(output_.put(path));
}

int Lister::folder(int upper, const Merged& lower, bool hides, const std::string& path) {
  std::vector<std::string> names, below;
  int result = read_names(upper, names);
  if (result == 0 && hides) result = merged_names(lower, below);
  if (result < 0) return failed(result, path);
  const size_t middle = names.size();
  names.insert(names.end(), below.begin(), below.end());
  std::inplace_merge(names.begin(), names.begin() + static_cast<ptrdiff_t>(middle), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names) {
    std::string below_path = path;
    below_path.append("/").append(name);
    if (result = entry(upper, lower, hides, name, below_path); result < 0) return result;
  }
  return 0;
}

int Lister::entry(int upper, const Merged& lower, bool hides, const std::string& name, const std::string& path) {
  if (options_.leave_out.excludes(path.substr(1))) return 0;
  if (const int result = check_length(std::string_view(path).substr(1), why_); result < 0) return result;
  Found below;
  struct stat status;
  if (const int result = look_up(lower, name.c_str(), below); result < 0) return failed(result, path);
  const int found = status_of(upper, name.c_str(), status);
  if (found == -ENOENT) return hides ? gone(below, path) : 0;  // otherwise the entry was removed after its folder was read
  if (found < 0) return failed(found, path);
  const int hidden = is_whiteout(upper, name.c_str(), status, options_.marks);
  if (hidden < 0) return failed(hidden, path);
  if (hidden > 0) return gone(below, path);
  const int stub = below.exists ? 0 : is_stub(upper, name, path.substr(1), options_.leave_out, lower_);
  if (stub != 0) return stub < 0 ? failed(stub, path) : 0;
  if (S_ISDIR(status.st_mode)) return subfolder(upper, below, hides, name, path);
  return put(below.exists ? 'M' : 'A', type_of(status), path);
}

int Lister::subfolder(int upper, Found& below, bool hides, const std::string& name, const std::string& path) {
  unique_fd fd;
  OverlayMarks marks;
  int result = open_folder(upper, name.c_str(), fd);
  if (result == 0) result = read_overlay_marks(fd.get(), options_.marks, marks);
  if (result == 0 && marks.partial) result = -EOPNOTSUPP;
  const int unchanged = result == 0 ? is_unchanged(fd.get(), below) : result;
  if (unchanged < 0) return failed(unchanged, path);
  if (marks.opaque || unchanged == 0) {
    if (result = put(below.exists ? 'M' : 'A', 'd', path); result < 0) return result;
  }
  if (options_.leave_out.empties(path.substr(1))) return 0;
  return folder(fd.get(), below.folder, hides || marks.opaque, path);
}

}  // namespace

int parse_changes_options(const char* const* options, size_t count, ChangesOptions& result) {
  return parse_options(options, count, [&](std::string_view key, std::string_view value) {
    return key == "marks" ? parse_mark_names(value, result.marks) : result.leave_out.add(key, value);
  });
}

int list_changes(int upper_fd, const int* lower_fds, size_t count, int output_fd, ChangesOptions options, Failure& why) {
  unique_fd upper;
  Merged lower;
  Lister lister(output_fd, options, lower, why);
  int result = open_folder(upper_fd, ".", upper);
  if (result == 0) result = open_layers(lower_fds, count, options.marks, lower);
  if (result == 0) result = options.leave_out.resolve(lower);
  if (result < 0) return fail(why, -result, "opening the layers");
  // false: the kernel merges the layers' top folders even where one is marked as opaque
  if (result = lister.folder(upper.get(), lower, false, ""); result < 0) return result;
  if (result = lister.put('E', 0, ""); result < 0) return result;
  return lister.flush();
}

}  // namespace nacelle
