#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "failure.h"
#include "pax.h"

// Extended attributes of what a layer holds. Those of overlayfs itself and XFS's own words for ACLs are never taken from a layer
// nor given to one, and labels of SELinux and SMACK are the host's to decide.
namespace nacelle::layer {

bool is_layer_xattr(std::string_view name);

// What a folder's new children inherit. In a layer each has its own, so it must not act while the layer is unpacked.
constexpr char kDefaultAcl[] = "system.posix_acl_default", kAccessAcl[] = "system.posix_acl_access";
bool has_default_acl(int folder);

// Exactly `xattrs`, on a file or folder by its descriptor. `fresh`: there are none yet.
int set_xattrs(int fd, const std::vector<Xattr>& xattrs, bool fresh, std::string_view path, Failure& why);
// On what has no descriptor to set them by (symlink, FIFO, device), never following a link.
int set_xattrs_at(int parent, const char* name, const std::vector<Xattr>& xattrs, bool fresh, std::string_view path, Failure& why);

// Those that belong to a layer, sorted by name. 0 or -errno.
int read_xattrs(int fd, std::vector<Xattr>& xattrs);
int read_xattrs_at(int parent, const char* name, std::vector<Xattr>& xattrs);

// The names alone, all of them, sorted. None where the file system has no attributes.
int list_xattrs(int fd, std::vector<std::string>& names);

}  // namespace nacelle::layer
