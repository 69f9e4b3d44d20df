#include "folder_times.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "xattrs.h"

namespace nacelle::layer {
namespace {

constexpr size_t kMostInMemory = 1 << 20;

int write_whole(int file, std::string_view bytes, off_t at) {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(file, bytes.data(), bytes.size(), at);
    if (count < 0) return -errno;
    bytes.remove_prefix(static_cast<size_t>(count));
    at += count;
  }
  return 0;
}

int read_whole(int file, std::string& bytes) {
  for (size_t have = 0; have < bytes.size();) {
    const ssize_t count = read(file, bytes.data() + have, bytes.size() - have);
    if (count <= 0) return count < 0 ? -errno : -EIO;
    have += static_cast<size_t>(count);
  }
  return 0;
}

}  // namespace

struct FolderTimes::Head {
  dev_t device;
  ino_t inode;
  struct timespec mtime;
  mode_t mode;
  uint32_t path_size, acl_size;
};

int FolderTimes::add(int root, std::string_view path, const struct stat& status, mode_t mode, const struct timespec& mtime,
                     std::string_view acl) {
  Head head{};
  head.device = status.st_dev;
  head.inode = status.st_ino;
  head.mtime = mtime;
  head.mode = mode;
  head.path_size = static_cast<uint32_t>(path.size());
  head.acl_size = static_cast<uint32_t>(acl.size());
  records_.append(reinterpret_cast<const char*>(&head), sizeof head).append(path).append(acl);
  has_acl_ = has_acl_ || !acl.empty();
  return records_.size() < kMostInMemory || has_no_file_ ? 0 : spill(root);
}

int FolderTimes::spill(int root) {
  if (!file_) file_.reset(openat(root, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  has_no_file_ = !file_ && (errno == EOPNOTSUPP || errno == EISDIR);
  if (!file_) return has_no_file_ ? 0 : -errno;
  off_t end = 0;
  for (const size_t size : spilled_) end += static_cast<off_t>(size);
  if (const int result = write_whole(file_.get(), records_, end); result < 0) return result;
  spilled_.push_back(records_.size());
  records_.clear();
  return 0;
}

int FolderTimes::apply(const Tree& tree, Failure& why) {
  if (file_ && lseek(file_.get(), 0, SEEK_SET) < 0) return fail(why, errno, "reading the folders' times");
  std::string records;
  for (const size_t size : spilled_) {
    records.resize(size);
    if (const int result = read_whole(file_.get(), records); result < 0) return fail(why, -result, "reading the folders' times");
    if (const int result = apply_all(tree, records, why); result < 0) return result;
  }
  return apply_all(tree, records_, why);
}

int FolderTimes::apply_all(const Tree& tree, std::string_view records, Failure& why) const {
  while (!records.empty()) {
    Head head;
    std::memcpy(&head, records.data(), sizeof head);
    const std::string_view path = records.substr(sizeof head, head.path_size);
    const std::string_view acl = records.substr(sizeof head + head.path_size, head.acl_size);
    if (const int result = apply_one(tree, head, path, acl, why); result < 0) return result;
    records.remove_prefix(sizeof head + path.size() + acl.size());
  }
  return 0;
}

int FolderTimes::apply_one(const Tree& tree, const Head& head, std::string_view path, std::string_view acl, Failure& why) const {
  const auto failed = [&](const char* what) { return fail(why, errno, "entry %s: %s", shown(path).c_str(), what); };
  unique_fd folder;
  struct stat status;
  const int opened = tree.open(std::string(path), O_RDONLY | O_DIRECTORY, folder);
  if (opened == -ENOENT || opened == -ENOTDIR || opened == -ELOOP) return 0;
  if (opened < 0) return fail(why, -opened, "entry %s: opening it to set its time", shown(path).c_str());
  if (fstat(folder.get(), &status) < 0) return failed("stat");
  if (status.st_dev != head.device || status.st_ino != head.inode) return 0;
  if (!acl.empty() && fsetxattr(folder.get(), kDefaultAcl, acl.data(), acl.size(), 0) < 0) return failed("setting its default ACL");
  // an earlier entry for this folder may have set an ACL
  if (acl.empty() && has_acl_ && fremovexattr(folder.get(), kDefaultAcl) < 0 && errno != ENODATA && errno != EOPNOTSUPP) {
    return failed("removing its default ACL");
  }
  if ((status.st_mode & 07777) != head.mode && fchmod(folder.get(), head.mode) < 0) return failed("setting its mode");
  const struct timespec times[2] = {head.mtime, head.mtime};
  return futimens(folder.get(), times) < 0 ? failed("setting its time") : 0;
}

}  // namespace nacelle::layer
