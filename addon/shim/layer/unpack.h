#pragma once

#include <cstddef>
#include <cstdint>

#include "failure.h"

// Unpacks a layer: a tar stream, written by anyone, into a folder. It runs in a process of its own whose root is that
// folder. The kernel also resolves every path in it (openat2 RESOLVE_IN_ROOT), no link in a last component is followed, and files are made
// with O_EXCL.
//
// Refused, with words: '..' in a name, damaged or truncated archives, unknown types, devices unless allowed and, in a layer, the
// device 0:0 always (overlayfs would take it for a whiteout), malformed whiteouts, and whatever exceeds a limit.
// Never taken from an archive: trusted.overlay.*, user.overlay.* and security.selinux.
//
// With `by_user` the process is root of an ordinary user's namespace. An opaque folder is marked by user.overlay.opaque then, which an
// overlay of that user's reads (userxattr). Left out are devices, which nobody can make there, and the attributes that only root of the
// host may set: trusted.*, and security.* but capabilities.
namespace nacelle {

struct UnpackOptions {
  bool devices = false;                // devices=0|1
  bool by_user = false;                // by=root|user
  bool overlay = false;                // whiteouts=apply|overlay: delete what is there, or keep them as overlayfs has them
  bool plain = false;                  // whiteouts=none: the archive is no layer, and such names and devices are files as any other
  bool keep_owner = true;              // owner=keep|0
  uint64_t most_bytes = UINT64_MAX;    // maxBytes: of the whole stream
  uint64_t most_entries = 10'000'000;  // maxEntries: entries, and folders made for them
  uint64_t most_path = 4095;           // maxPathLength: bytes; the kernel takes no more
  uint64_t most_depth = 512;           // maxDepth: components
};

// 'key=value' each, named as above. -EINVAL for an unknown key or a wrong value.
int parse_unpack_options(const char* const* options, size_t count, UnpackOptions& result);

// Reads the input to its end, and waits until what a layer made is on the disk. `lower`: the unpacked layers below, the topmost first,
// which give the owner, mode, time and attributes of folders that the archive only implies, and owner and mode of its top. 0 or -errno with
// the reason in `why`, -kBeyondLimit for what exceeds a limit, -kNobodys for an owner that is none here; what was unpacked until then
// stays.
int unpack_layer(int input_fd, int root_fd, const int* lower_fds, size_t lower_count, const UnpackOptions& options, Failure& why);

}  // namespace nacelle
