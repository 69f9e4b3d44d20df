#include "sparse.h"

#include <algorithm>
#include <cerrno>

#include "tar_header.h"

namespace nacelle::layer {
namespace {

constexpr uint64_t kMost = INT64_MAX;

bool add(std::vector<Extent>& map, uint64_t offset, uint64_t length) {
  if (map.size() == kMostExtents) return false;
  map.push_back({offset, length});
  return true;
}

// Reads a row of (offset, length) pairs, with 12 bytes for each number. An empty pair ends it.
bool parse_row(const char* at, size_t count, std::vector<Extent>& map) {
  for (size_t i = 0; i < count; ++i, at += 24) {
    if (at[0] == '\0') return true;
    int64_t offset, length;
    if (!parse_tar_number({at, 12}, offset) || !parse_tar_number({at + 12, 12}, length) || offset < 0 || length < 0) return false;
    if (!add(map, static_cast<uint64_t>(offset), static_cast<uint64_t>(length))) return false;
  }
  return true;
}

bool parse_optional(std::string_view value, std::optional<uint64_t>& out) {
  uint64_t number;
  if (!parse_decimal(value, kMost, number)) return false;
  out = number;
  return true;
}

// Reads the map of version 0.1: 'offset,length,offset,length'
bool parse_list(std::string_view value, std::vector<Extent>& map) {
  map.clear();
  uint64_t offset = 0;
  bool is_length = false;
  for (size_t start = 0; start < value.size();) {
    const size_t comma = std::min(value.find(',', start), value.size());
    uint64_t number;
    if (!parse_decimal(value.substr(start, comma - start), kMost, number)) return false;
    if (is_length && !add(map, offset, number)) return false;
    offset = number;
    is_length = !is_length;
    start = comma + 1;
  }
  return !is_length && (value.empty() || value.back() != ',');
}

}  // namespace

bool parse_sparse_record(std::string_view key, std::string_view value, PaxSparse& sparse) {
  if (key == "major") return parse_optional(value, sparse.major);
  if (key == "minor") return parse_optional(value, sparse.minor);
  if (key == "size" || key == "realsize") return parse_optional(value, sparse.size);
  if (key == "map") return parse_list(value, sparse.map);
  if (key == "name") {
    sparse.name = std::string(value);
    return !value.empty() && value.find('\0') == std::string_view::npos;
  }
  if (key == "offset") return !sparse.offset && parse_optional(value, sparse.offset);
  if (key == "numbytes") {
    uint64_t length;
    if (!sparse.offset || !parse_decimal(value, kMost, length) || !add(sparse.map, *sparse.offset, length)) return false;
    sparse.offset.reset();
    return true;
  }
  return key == "numblocks";  // the map's length, which is counted here and so not needed
}

bool parse_old_sparse(const char* block, std::vector<Extent>& map, uint64_t& size, bool& more) {
  int64_t number;
  if (!parse_row(block + 386, 4, map) || !parse_tar_number({block + 483, 12}, number) || number < 0) return false;
  size = static_cast<uint64_t>(number);
  more = block[482] != '\0';
  return true;
}

bool parse_old_sparse_extension(const char* block, std::vector<Extent>& map, bool& more) {
  more = block[504] != '\0';
  return parse_row(block, 21, map);
}

SparseMapParser::State SparseMapParser::feed(const char* block) {
  for (size_t i = 0; i < kBlockSize; ++i) {
    if (block[i] != '\n') {
      if (digits_.size() == 20) return State::bad;
      digits_ += block[i];
      continue;
    }
    uint64_t number;
    if (!parse_decimal(digits_, kMost, number)) return State::bad;
    digits_.clear();
    if (!count_) {
      if (number > kMostExtents) return State::bad;
      count_ = number;
    } else if (!offset_) {
      offset_ = number;
    } else {
      map_.push_back({*offset_, number});
      offset_.reset();
    }
    if (count_ == map_.size()) return State::done;  // the rest of the block is padding
  }
  return State::more;
}

int check_sparse(const std::vector<Extent>& map, uint64_t size, uint64_t stored, std::string_view name, Failure& why) {
  uint64_t end = 0, data = 0;
  for (const Extent& extent : map) {
    if (extent.offset < end || extent.offset > size || extent.length > size - extent.offset) {
      return fail(why, EBADMSG, "entry %s: its map of holes is out of order or past the file's end", shown(name).c_str());
    }
    end = extent.offset + extent.length;
    data += extent.length;
  }
  if (data != stored) return fail(why, EBADMSG, "entry %s: its map of holes doesn't fit the data stored", shown(name).c_str());
  return 0;
}

}  // namespace nacelle::layer
