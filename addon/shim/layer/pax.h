#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sparse.h"
#include "tar_header.h"

// Extended headers: records '<length> <key>=<value>\n', where the length counts its own digits too. Pure.
namespace nacelle::layer {

struct Xattr {
  std::string name, value;
};

// The values that the records give in place of those of the header that follows. An empty value cancels an earlier record.
struct Pax {
  std::optional<std::string> path, link;
  std::optional<uint64_t> size;
  std::optional<uint32_t> uid, gid;
  std::optional<struct timespec> mtime;
  std::vector<Xattr> xattrs;
  PaxSparse sparse;
};

// Takes the records of one header apart into `pax`, strictly: a length that doesn't fit, a missing newline, or a NUL in
// a path is -EBADMSG. Unknown keys (comment, atime, uname, SCHILY.acl.*, ...) mean nothing for a layer and are skipped.
// `global`: only an owner and a time may be given for all entries; a path or size for all would be nonsense.
int parse_pax(std::string_view records, bool global, Pax& pax, Failure& why);

}  // namespace nacelle::layer
