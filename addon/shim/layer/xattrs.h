#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "failure.h"
#include "pax.h"

// Extended attributes of what a layer holds. Those of overlayfs itself and XFS's own names for ACLs are never taken from a layer
// nor given to one, and the host decides on labels of SELinux and SMACK.
namespace nacelle::layer {

bool is_layer_xattr(std::string_view name);

// Leaves out the attributes that only root of the host may set, and that nobody in a user namespace is shown or obeys.
void leave_to_root(std::vector<Xattr>& xattrs);

// The default ACL, which a folder's new children inherit. In a layer each child has its own ACL, so none may be inherited during unpacking.
constexpr char kDefaultAcl[] = "system.posix_acl_default", kAccessAcl[] = "system.posix_acl_access";
bool has_default_acl(int folder);

// Sets exactly `xattrs` on a file or folder, by its descriptor. With `fresh` it has none yet.
int set_xattrs(int fd, const std::vector<Xattr>& xattrs, bool fresh, std::string_view path, Failure& why);
// The same for a symlink, FIFO or device, which has no descriptor for that; no link is followed.
int set_xattrs_at(int parent, const char* name, const std::vector<Xattr>& xattrs, bool fresh, std::string_view path, Failure& why);

// Reads the attributes that belong to a layer, sorted by name. 0 or -errno.
int read_xattrs(int fd, std::vector<Xattr>& xattrs);
int read_xattrs_at(int parent, const char* name, std::vector<Xattr>& xattrs);

// Lists the names of all attributes, sorted. The list is empty where the file system has no attributes.
int list_xattrs(int fd, std::vector<std::string>& names);

}  // namespace nacelle::layer
