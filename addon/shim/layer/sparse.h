#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "failure.h"

// Files with holes, in the four ways in which GNU tar writes them: the old 'S' header with its extension blocks, and PAX
// records of versions 0.0 (offset, numbytes, offset, ...), 0.1 (one map) and 1.0 (the map before the data). Pure.
namespace nacelle::layer {

struct Extent {
  uint64_t offset, length;
};

// A longer map is not taken for a real file but for an attack on memory.
constexpr size_t kMostExtents = 1 << 20;

struct PaxSparse {
  std::optional<uint64_t> major, minor;
  std::optional<uint64_t> size;
  std::optional<std::string> name;
  std::vector<Extent> map;
  std::optional<uint64_t> offset;  // version 0.0: an offset whose numbytes is still to come

  bool used() const { return size.has_value() || major.has_value() || !map.empty(); }
  bool map_is_in_data() const { return major == 1 && minor == 0; }
};

// Reads one 'GNU.sparse.*' record. False when it makes no sense.
bool parse_sparse_record(std::string_view key, std::string_view value, PaxSparse& sparse);

// Reads the four extents of an old 'S' header. `more` tells that extension blocks follow. `size` is the file's real size.
bool parse_old_sparse(const char* block, std::vector<Extent>& map, uint64_t& size, bool& more);
bool parse_old_sparse_extension(const char* block, std::vector<Extent>& map, bool& more);

// Parses the map of version 1.0: decimal numbers, each with a newline. It is fed with the data's blocks until the map is complete.
class SparseMapParser {
 public:
  enum class State { more, done, bad };
  State feed(const char* block);
  std::vector<Extent> take() { return std::move(map_); }

 private:
  std::vector<Extent> map_;
  std::string digits_;
  std::optional<uint64_t> count_, offset_;
};

// Extents must follow each other, lie within the file and hold exactly the data that is stored.
int check_sparse(const std::vector<Extent>& map, uint64_t size, uint64_t stored, std::string_view name, Failure& why);

}  // namespace nacelle::layer
