#pragma once

#include <string>
#include <vector>

#include "input.h"
#include "pax.h"

namespace nacelle::layer {

// An entry with all that the headers before it have said. Its type is one of '0' to '6' (tar::k*).
struct TarEntry : TarHeader {
  std::vector<Xattr> xattrs;
  bool sparse = false;
  std::vector<Extent> map;  // of a sparse file: where its stored bytes belong
};

// Reads an archive as a stream: POSIX.1-1988 and 2001, GNU and the old format. The names in it are bytes, not yet checked.
class TarReader {
 public:
  explicit TarReader(Input& input) : input_(input) {}

  // 1 with the next entry, 0 at the archive's end, -errno. Data of the last entry that was not read is skipped.
  int next(TarEntry& entry, Failure& why);
  // Gives the next part of the entry's stored data: its size, 0 at the end, or -errno.
  ssize_t data(const char*& at, Failure& why);
  // Reads what follows the archive's end, so that its writer can finish.
  int drain(Failure& why);

 private:
  int read_block(char* block, Failure& why);
  int read_text(uint64_t size, std::string& text, Failure& why);
  int skip(Failure& why);
  int special(const TarHeader& header, Failure& why);
  int complete(const char* block, TarEntry& entry, Failure& why);
  int read_sparse(const char* block, TarEntry& entry, Failure& why);
  int read_old_sparse(const char* block, TarEntry& entry, Failure& why);
  int read_map_in_data(TarEntry& entry, Failure& why);
  int failed(ssize_t error, Failure& why) const;

  Input& input_;
  Pax global_, pax_;
  std::optional<std::string> long_name_, long_link_;
  std::string name_;      // of the current entry, for messages
  uint64_t left_ = 0;     // stored data not yet handed out
  uint64_t padding_ = 0;  // up to the next block
};

}  // namespace nacelle::layer
