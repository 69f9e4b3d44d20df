#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "folder.h"
#include "tree.h"

namespace nacelle::layer {

int remove_tree(int parent, const char* name, const Inodes* keep) {
  struct stat status;
  if (const int result = status_of(parent, name, status); result < 0) return result == -ENOENT ? 0 : result;
  const bool kept = keep != nullptr && keep->has(status);
  if (!S_ISDIR(status.st_mode)) {
    if (kept || unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
    return -errno;
  }
  if (keep == nullptr && unlinkat(parent, name, AT_REMOVEDIR) == 0) return 0;  // it was empty

  unique_fd folder;
  if (const int result = open_folder(parent, name, folder); result < 0) return result;
  std::vector<std::string> names;
  if (const int result = read_names(folder.get(), names); result < 0) return result;
  for (const std::string& child : names) {
    if (const int result = remove_tree(folder.get(), child.c_str(), keep); result < 0) return result;
  }
  if (kept || unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
  return keep != nullptr && errno == ENOTEMPTY ? 0 : -errno;
}

}  // namespace nacelle::layer
