#include "pack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <utility>

#include "folder.h"
#include "options.h"
#include "pack_file.h"
#include "path.h"
#include "stubs.h"
#include "tar_format.h"
#include "tree.h"
#include "xattrs.h"

namespace nacelle {
namespace {

using namespace layer;

class Packer {
 public:
  Packer(int output_fd, const PackOptions& options, const Merged& lower, Failure& why)
      : output_(output_fd), options_(options), lower_(lower), why_(why) {}

  int top(int fd);
  int folder(int fd, const std::string& path);
  int entry(int parent, const std::string& name, const std::string& path);
  int finish();

 private:
  int file(int parent, const char* name, TarEntry& entry);
  int other(int parent, const char* name, const struct stat& status, TarEntry& entry);
  int subfolder(int parent, const char* name, TarEntry& entry);
  int put_mark(const std::string& path);
  int put(const TarEntry& entry);
  void describe(const struct stat& status, TarEntry& entry) const;
  int failed(int error, const std::string& path, const char* what) { return fail(why_, -error, "%s: %s", shown(path).c_str(), what); }

  Output output_;
  const PackOptions& options_;
  const Merged& lower_;
  Failure& why_;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names_;
};

int Packer::put(const TarEntry& entry) {
  const int result = output_.put(format_tar_headers(entry));
  return result < 0 ? fail(why_, -result, "writing the layer") : 0;
}

// Writes an empty file without attributes, which stands for something deleted.
int Packer::put_mark(const std::string& path) {
  TarEntry mark;
  mark.name = path;
  return put(mark);
}

void Packer::describe(const struct stat& status, TarEntry& entry) const {
  entry.mode = status.st_mode & 07777;
  entry.uid = status.st_uid;
  entry.gid = status.st_gid;
  entry.mtime = status.st_mtim;
  if (options_.clamp && entry.mtime.tv_sec >= options_.mtime) entry.mtime = {static_cast<time_t>(options_.mtime), 0};
}

int Packer::folder(int fd, const std::string& path) {
  std::vector<std::string> names;
  if (const int result = read_names(fd, names); result < 0) return failed(result, path, "reading the folder");
  for (const std::string& name : names) {
    if (const int result = entry(fd, name, path + name); result < 0) return result;
  }
  return 0;
}

// Writes the top folder itself, where that belongs to what is packed.
int Packer::top(int fd) {
  struct stat status {};
  TarEntry entry;
  entry.name = "./";
  entry.type = tar::kDirectory;
  if (fstat(fd, &status) < 0) return failed(-errno, entry.name, "stat");
  if (const int result = read_xattrs(fd, entry.xattrs); result < 0) return failed(result, entry.name, "reading its attributes");
  describe(status, entry);
  return put(entry);
}

int Packer::entry(int parent, const std::string& name, const std::string& path) {
  if (options_.leave_out.excludes(path)) return 0;
  if (const int result = check_length(path, why_); result < 0) return result;
  struct stat status;
  const int found = status_of(parent, name.c_str(), status);
  if (found == -ENOENT && path != options_.only) return 0;  // it was removed after its folder was read
  if (found < 0) return failed(found, path, "stat");
  const int hidden = options_.plain ? 0 : is_whiteout(parent, name.c_str(), status, options_.marks);
  if (hidden < 0) return failed(hidden, path, "reading its attributes");
  if (hidden > 0) return put_mark(path.substr(0, path.size() - name.size()).append(kWhiteoutPrefix).append(name));
  if (S_ISSOCK(status.st_mode)) return 0;
  const int stub = is_stub(parent, name, path, options_.leave_out, lower_);
  if (stub != 0) return stub < 0 ? failed(stub, path, "reading it") : 0;
  if (!options_.plain && name.compare(0, kWhiteoutPrefix.size(), kWhiteoutPrefix) == 0)
    return failed(-EINVAL, path, "a layer can't hold a name that begins with .wh.");

  TarEntry entry;
  entry.name = path;
  describe(status, entry);
  if (S_ISDIR(status.st_mode)) return subfolder(parent, name.c_str(), entry);
  if (status.st_nlink > 1) {
    const auto [first, is_first] = first_names_.try_emplace({status.st_dev, status.st_ino}, path);
    if (!is_first) {
      entry.type = tar::kHardLink;
      entry.link = first->second;
      return put(entry);
    }
  }
  return S_ISREG(status.st_mode) ? file(parent, name.c_str(), entry) : other(parent, name.c_str(), status, entry);
}

int Packer::subfolder(int parent, const char* name, TarEntry& entry) {
  unique_fd fd;
  struct stat status {};
  OverlayMarks marks;
  int result = open_folder(parent, name, fd);
  if (result == 0 && fstat(fd.get(), &status) < 0) result = -errno;
  if (result == 0 && !options_.plain) result = read_overlay_marks(fd.get(), options_.marks, marks);
  if (result == 0) result = read_xattrs(fd.get(), entry.xattrs);
  if (result < 0) return failed(result, entry.name, "reading the folder");
  if (marks.partial) return failed(-EOPNOTSUPP, entry.name, "the folder was renamed by reference (redirect_dir): its content is elsewhere");
  describe(status, entry);
  const bool empty = options_.leave_out.empties(entry.name);
  entry.type = tar::kDirectory;
  entry.name += '/';
  if (result = put(entry); result < 0 || empty) return result;
  entry.xattrs = {};  // large ones of each folder on the way would add up
  if (marks.opaque && !options_.plain) {
    if (result = put_mark(entry.name + std::string(kOpaqueName)); result < 0) return result;
  }
  return folder(fd.get(), entry.name);
}

int Packer::file(int parent, const char* name, TarEntry& entry) {
  // O_NONBLOCK: if it has become a FIFO meanwhile, this doesn't wait for a writer
  const unique_fd fd(openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status;
  OverlayMarks marks;
  if (!fd || fstat(fd.get(), &status) < 0) return failed(-errno, entry.name, "opening it");
  if (!S_ISREG(status.st_mode)) return failed(-EAGAIN, entry.name, "it was replaced while it was packed");
  int result = options_.plain ? 0 : read_overlay_marks(fd.get(), options_.marks, marks);
  if (marks.partial) return failed(-EOPNOTSUPP, entry.name, "only the file's metadata is in the upper (metacopy)");
  describe(status, entry);
  entry.size = static_cast<uint64_t>(status.st_size);
  if (result == 0) result = read_xattrs(fd.get(), entry.xattrs);
  if (result == 0) result = find_holes(fd.get(), entry);
  if (result < 0) return failed(result, entry.name, "reading it");
  if (result = put(entry); result < 0) return result;
  result = pack_data(fd.get(), entry, output_);
  return result < 0 ? failed(result, entry.name, output_.error() < 0 ? "writing the layer" : "reading it") : 0;
}

int Packer::other(int parent, const char* name, const struct stat& status, TarEntry& entry) {
  if (S_ISLNK(status.st_mode)) {
    char target[4096];
    const ssize_t length = readlinkat(parent, name, target, sizeof target);
    if (length < 0) return failed(-errno, entry.name, "reading the link");
    entry.type = tar::kSymlink;
    entry.mode = 0777;
    entry.link.assign(target, static_cast<size_t>(length));
  } else if (S_ISFIFO(status.st_mode)) {
    entry.type = tar::kFifo;
  } else {
    entry.type = S_ISCHR(status.st_mode) ? tar::kCharacter : tar::kBlock;
    entry.major = major(status.st_rdev);
    entry.minor = minor(status.st_rdev);
  }
  const int result = read_xattrs_at(parent, name, entry.xattrs);
  return result < 0 ? failed(result, entry.name, "reading its attributes") : put(entry);
}

int Packer::finish() {
  output_.put_zeros(2 * kBlockSize);
  const int result = output_.flush();
  return result < 0 ? fail(why_, -result, "writing the layer") : 0;
}

}  // namespace

int parse_pack_options(const char* const* options, size_t count, PackOptions& result) {
  return layer::parse_options(options, count, [&](std::string_view key, std::string_view value) {
    uint64_t seconds;
    if (key == "form") {
      result.has_top = value == "tree";
      result.plain = result.has_top || value == "contents";
      return result.plain || value == "layer";
    }
    if (key == "marks") return parse_mark_names(value, result.marks);
    if (key == "only") return !(result.only = value).empty();
    if (key != "mtime") return result.leave_out.add(key, value);
    if (!parse_decimal(value, INT64_MAX, seconds)) return false;
    result.mtime = static_cast<int64_t>(seconds);
    return result.clamp = true;
  });
}

int pack_layer(int upper_fd, const int* lower_fds, size_t count, int output_fd, PackOptions options, Failure& why) {
  Merged lower;
  int opened = open_layers(lower_fds, count, options.marks, lower);
  if (opened == 0) opened = options.leave_out.resolve(lower);
  if (opened < 0) return fail(why, -opened, "reading the lower layers");
  Packer packer(output_fd, options, lower, why);
  if (!options.only.empty()) {
    const int result = packer.entry(upper_fd, options.only, options.only);
    return result < 0 ? result : packer.finish();
  }
  unique_fd top;
  if (const int result = open_folder(upper_fd, ".", top); result < 0) return fail(why, -result, "opening the upper folder");
  int result = options.has_top ? packer.top(top.get()) : 0;
  if (result == 0) result = packer.folder(top.get(), "");
  return result < 0 ? result : packer.finish();
}

}  // namespace nacelle
