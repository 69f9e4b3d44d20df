#include "unpack.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "entry.h"
#include "folder.h"
#include "implied.h"
#include "input.h"
#include "options.h"
#include "path.h"
#include "xattrs.h"

namespace nacelle {
namespace {

using namespace layer;

// Sets the umask to 0 while it lives, since modes in an archive are meant as they are.
class NoUmask {
 public:
  NoUmask() : before_(umask(0)) {}
  NoUmask(const NoUmask&) = delete;
  NoUmask& operator=(const NoUmask&) = delete;
  ~NoUmask() { umask(before_); }

 private:
  mode_t before_;
};

int apply_whiteout(Unpacking& work, const TarEntry& entry, const std::string& path, Whiteout kind, Failure& why) {
  if (entry.type == tar::kDirectory) return fail(why, EBADMSG, "entry %s: a folder can't be a whiteout", shown(entry.name).c_str());
  const SplitPath split = split_path(path);
  const int folder = work.tree.overlay() ? folder_for(work, entry, split.folder, why) : work.tree.folder(split.folder, why);
  // the folder is missing, so there is nothing to delete
  if ((folder == -ENOENT || folder == -ENOTDIR) && !work.tree.overlay()) return 0;
  if (folder < 0) return folder;
  const int result =
      kind == Whiteout::opaque ? work.tree.hide_below(folder) : work.tree.whiteout(folder, split.name + kWhiteoutPrefix.size());
  return result < 0 ? fail(why, -result, "entry %s: applying the whiteout", shown(entry.name).c_str()) : 0;
}

int unpack_entry(Unpacking& work, TarEntry& entry, Failure& why) {
  std::string path;
  if (const int result = check_path(entry.name, path_limits(work.options), path, why); result < 0) return result;
  if (work.tree.count() < 0) return too_many(entry, why);
  Whiteout kind = Whiteout::none;
  if (!work.options.plain) {
    if (const int result = parse_whiteout(split_path(path).name, kind, why); result < 0) return result;
  }
  if (kind != Whiteout::none) return apply_whiteout(work, entry, path, kind, why);
  if (!work.options.keep_owner) entry.uid = entry.gid = 0;
  if (work.options.by_user) leave_to_root(entry.xattrs);
  return make_entry(work, entry, path, why);
}

// Takes from the layer's top the ACLs that it has of the folder in which it was made: each file in it would inherit them.
int forget_acls(int top) {
  for (const char* name : {kDefaultAcl, kAccessAcl}) {
    if (fremovexattr(top, name) < 0 && errno != ENODATA && errno != EOPNOTSUPP) return -errno;
  }
  return 0;
}

// Takes the inherited ACLs from the layer's top, and gives the top the owner and mode of the one below, until an entry './' says something
// else.
int begin_layer(const Unpacking& work, Failure& why) {
  unique_fd top;  // the root may be open by O_PATH
  int result = open_folder(work.tree.root(), ".", top);
  if (result == 0 && work.tree.overlay()) result = forget_acls(top.get());
  if (result == 0 && !work.lower.folders.empty()) {
    struct stat below;
    const bool done = fstat(work.lower.folders.front().get(), &below) == 0 && fchown(top.get(), below.st_uid, below.st_gid) == 0 &&
                      fchmod(top.get(), below.st_mode & 07777) == 0;
    if (!done) result = -errno;
  }
  return result < 0 ? fail(why, -result, "making the layer's top") : 0;
}

// Writes all files to the disk by one call, which also reports a write that failed late (Linux 5.8).
int sync(int root, Failure& why) {
  unique_fd folder;  // the root may be open by O_PATH
  int result = open_folder(root, ".", folder);
  if (result == 0 && syncfs(folder.get()) < 0) result = -errno;
  return result < 0 ? fail(why, -result, "writing the layer to the disk") : 0;
}

}  // namespace

int parse_unpack_options(const char* const* options, size_t count, UnpackOptions& result) {
  return layer::parse_options(options, count, [&](std::string_view key, std::string_view value) {
    if (key == "by") return choose(value, "root", "user", result.by_user);
    if (key == "devices") return choose(value, "0", "1", result.devices);
    if (key == "whiteouts") {
      result.plain = value == "none";
      return result.plain || choose(value, "apply", "overlay", result.overlay);
    }
    if (key == "owner") return choose(value, "0", "keep", result.keep_owner);
    if (key == "maxBytes") return parse_decimal(value, UINT64_MAX, result.most_bytes);
    if (key == "maxEntries") return parse_decimal(value, UINT64_MAX, result.most_entries);
    if (key == "maxPathLength") return parse_decimal(value, UINT64_MAX, result.most_path);
    return key == "maxDepth" && parse_decimal(value, UINT64_MAX, result.most_depth);
  });
}

int unpack_layer(int input_fd, int root_fd, const int* lower_fds, size_t lower_count, const UnpackOptions& options, Failure& why) {
  const NoUmask exact;
  Input input(input_fd, options.most_bytes);
  Unpacking work{Tree(root_fd, {options.overlay, options.by_user, options.most_entries}), TarReader(input), {}, {}, options};
  const int opened = open_layers(lower_fds, lower_count, options.by_user ? MarkNames::kUser : MarkNames::kTrusted, work.lower);
  if (opened < 0) return fail(why, -opened, "opening the lower layers");
  TarEntry entry;
  int result = begin_layer(work, why);
  if (result < 0) return result;
  while ((result = work.reader.next(entry, why)) > 0) {
    if (result = unpack_entry(work, entry, why); result < 0) return result;
  }
  if (result == 0) result = work.times.apply(work.tree, why);
  if (result == 0) result = work.reader.drain(why);
  return result == 0 && !options.plain ? sync(root_fd, why) : result;
}

}  // namespace nacelle
