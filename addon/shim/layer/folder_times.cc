#include "folder_times.h"

#include <fcntl.h>

#include <cerrno>

#include "xattrs.h"

namespace nacelle::layer {

void FolderTimes::add(std::string path, const struct stat& status, mode_t mode, const struct timespec& mtime, std::vector<Xattr> late) {
  folders_.push_back({std::move(path), status.st_dev, status.st_ino, mode, mtime, std::move(late)});
}

int FolderTimes::apply(const Tree& tree, Failure& why) const {
  Inodes done;
  // Backwards: children before a parent that may then be closed to us, and the last of two entries first.
  for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
    unique_fd fd;
    struct stat status;
    const int opened = tree.open(folder->path, O_RDONLY | O_DIRECTORY, fd);
    if (opened == -ENOENT || opened == -ENOTDIR || opened == -ELOOP) continue;
    if (opened < 0) return fail(why, -opened, "entry %s: opening it to set its time", shown(folder->path).c_str());
    if (fstat(fd.get(), &status) < 0) return fail(why, errno, "entry %s: stat", shown(folder->path).c_str());
    if (status.st_dev != folder->device || status.st_ino != folder->inode || done.has(status)) continue;
    done.add(status);
    if (const int result = set_xattrs(fd.get(), folder->late, true, folder->path, why); result < 0) return result;
    const struct timespec times[2] = {folder->mtime, folder->mtime};
    if ((status.st_mode & 07777) != folder->mode && fchmod(fd.get(), folder->mode) < 0) {
      return fail(why, errno, "entry %s: setting its mode", shown(folder->path).c_str());
    }
    if (futimens(fd.get(), times) < 0) return fail(why, errno, "entry %s: setting its time", shown(folder->path).c_str());
  }
  return 0;
}

}  // namespace nacelle::layer
