#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "../kernel/unique_fd.h"
#include "failure.h"
#include "overlay_marks.h"

namespace nacelle::layer {

// A set of files and folders, known by device and inode and not by name.
class Inodes {
 public:
  void add(const struct stat& status) { known_.insert(key(status)); }
  bool has(const struct stat& status) const { return known_.count(key(status)) > 0; }

 private:
  static uint64_t key(const struct stat& status) {
    return static_cast<uint64_t>(status.st_ino) ^ static_cast<uint64_t>(status.st_dev) << 48;
  }
  std::unordered_set<uint64_t> known_;
};

struct Owner {
  uid_t uid;
  gid_t gid;
};

struct TreeOptions {
  bool overlay;   // whiteouts are kept as overlayfs has them; otherwise they delete, except what this layer has made
  bool by_user;   // the overlay is one of an ordinary user's
  uint64_t most;  // entries
};

// The folder that a layer is unpacked into. Paths are those of check_path: relative, without '.' and '..'.
class Tree {
 public:
  Tree(int root, const TreeOptions& options)
      : root_(root), overlay_(options.overlay), opaque_(options.by_user ? kUserOpaque : kOpaque), left_(options.most) {}

  // The folder at `path`: O_PATH, borrowed until the next call. Links in the path are resolved in the root. -errno;
  // -ENOENT and -ENOTDIR, when it isn't there, come without words in `why`.
  int folder(std::string_view path, Failure& why);
  // Remembers `folder` as what folder(path) would find, for the files that come next.
  void remember(std::string_view path, unique_fd folder);
  // Opens what is at `path` itself, following no link in its last component.
  int open(const std::string& path, int flags, unique_fd& out) const;

  // Removes what has this name, to make room. `hid` tells that it was a whiteout.
  int clear(int parent, const char* name, bool& hid);
  // For each thing that an entry made: remembers it, so that whiteouts of this layer spare it.
  int made(int parent, const char* name);
  void made(const struct stat& status);
  // The same for an open file that was made in the last folder. `owner`: whose it is. 0 or -errno.
  int made_file(int file, Owner& owner);
  // Whose a thing is that was made in the last folder, where that is known: the kernel gives all that one process makes in one folder to
  // the same owner, who is that of the first file that it made there.
  const std::optional<Owner>& owner() const { return owner_; }
  // Counts one more entry or folder. -kBeyondLimit when there are too many.
  int count();
  // Makes the folder hide what lower layers have in it: marks it as opaque, or removes what this layer has not made.
  int hide_below(int folder);
  int whiteout(int parent, const char* name);

  // Whether a file that is made in the last folder inherits an ACL from it.
  bool inherits() const { return inherits_; }

  int root() const { return root_; }
  bool overlay() const { return overlay_; }

 private:
  int resolve(const char* path, unique_fd& out) const;

  int root_;
  bool overlay_;
  const char* opaque_;
  uint64_t left_;
  Inodes ours_;
  std::string last_path_;
  unique_fd last_;
  bool inherits_ = false;
  std::optional<Owner> owner_;
};

}  // namespace nacelle::layer
