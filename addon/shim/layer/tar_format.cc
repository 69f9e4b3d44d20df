#include "tar_format.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace nacelle::layer {
namespace {

constexpr uint64_t kMostOctalSize = 077777777777, kMostOctalId = 07777777;
constexpr size_t kNameSize = 100, kPrefixSize = 155;

// Adds a PAX record, whose length counts its own digits too.
void add_record(std::string& records, const std::string& key, std::string_view value) {
  const size_t rest = key.size() + value.size() + 3;
  size_t length = rest + 1;
  while (length != rest + std::to_string(length).size()) length = rest + std::to_string(length).size();
  records.append(std::to_string(length)).append(" ").append(key).append("=").append(value).append("\n");
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char byte) { return byte >= 0x20 && byte < 0x7f; });
}

std::string encoded_name(std::string_view name) {
  std::string key;
  for (const char byte : name) key += byte == '=' ? "%3D" : byte == '%' ? "%25" : std::string(1, byte);
  return key;
}

std::string format_time(const struct timespec& time) {
  // before 1970 the nanoseconds still count forward: -1.25 is kept as -2 s and 750,000,000 ns
  const bool negative = time.tv_sec < 0;
  const bool borrow = negative && time.tv_nsec > 0;
  const long long seconds = static_cast<long long>(time.tv_sec) + (borrow ? 1 : 0);
  const long nanoseconds = borrow ? 1'000'000'000 - time.tv_nsec : time.tv_nsec;
  char text[48];
  std::snprintf(text, sizeof text, "%s%lld.%09ld", negative ? "-" : "", negative ? -seconds : seconds, nanoseconds);
  std::string result = text;
  result.erase(result.find_last_not_of('0') + 1);
  if (result.back() == '.') result.pop_back();
  return result;
}

// Finds a slash that has at most 100 bytes after it and 155 before it, if there is one.
size_t split_name(std::string_view name) {
  if (name.size() <= kNameSize) return 0;
  const size_t slash = name.find('/', name.size() - kNameSize - 1);
  return slash == std::string_view::npos || slash == 0 || slash > kPrefixSize || slash + 1 == name.size() ? std::string_view::npos : slash;
}

void put_octal(char* block, size_t offset, size_t size, uint64_t value) {
  for (size_t i = size - 1; i-- > 0; value >>= 3) block[offset + i] = static_cast<char>('0' + (value & 7));
}

void put_text(char* block, size_t offset, size_t size, std::string_view text) {
  std::memcpy(block + offset, text.data(), std::min(size, text.size()));
}

// `stored`: the size of the data that follow. A value that doesn't fit is cut or zero here, and whole in the PAX header.
std::string format_block(const TarEntry& entry, std::string_view name, uint64_t stored) {
  std::string bytes(kBlockSize, '\0');
  char* block = bytes.data();
  const size_t split = split_name(name);
  const bool prefixed = split != 0 && split != std::string_view::npos;
  put_text(block, 0, kNameSize, prefixed ? name.substr(split + 1) : name);
  if (prefixed) put_text(block, 345, kPrefixSize, name.substr(0, split));
  put_octal(block, 100, 8, entry.mode & 07777);
  put_octal(block, 108, 8, entry.uid > kMostOctalId ? 0 : entry.uid);
  put_octal(block, 116, 8, entry.gid > kMostOctalId ? 0 : entry.gid);
  put_octal(block, 124, 12, stored > kMostOctalSize ? 0 : stored);
  const bool time_fits = entry.mtime.tv_sec >= 0 && static_cast<uint64_t>(entry.mtime.tv_sec) <= kMostOctalSize;
  put_octal(block, 136, 12, time_fits ? static_cast<uint64_t>(entry.mtime.tv_sec) : 0);
  block[156] = entry.type;
  put_text(block, 157, kNameSize, entry.link);
  std::memcpy(block + 257,
              "ustar\0"
              "00",
              8);
  if (entry.type == tar::kCharacter || entry.type == tar::kBlock) {
    put_octal(block, 329, 8, entry.major);
    put_octal(block, 337, 8, entry.minor);
  }
  std::memset(block + 148, ' ', 8);
  unsigned sum = 0;
  for (const char byte : bytes) sum += static_cast<unsigned char>(byte);
  put_octal(block, 148, 7, sum);
  return bytes;
}

std::string pax_records(const TarEntry& entry, uint64_t stored) {
  std::string records;
  if (entry.sparse) {
    add_record(records, "GNU.sparse.major", "1");
    add_record(records, "GNU.sparse.minor", "0");
    add_record(records, "GNU.sparse.name", entry.name);
    add_record(records, "GNU.sparse.realsize", std::to_string(entry.size));
  } else if (!is_ascii(entry.name) || split_name(entry.name) == std::string_view::npos) {
    add_record(records, "path", entry.name);
  }
  if (!is_ascii(entry.link) || entry.link.size() > kNameSize) add_record(records, "linkpath", entry.link);
  if (stored > kMostOctalSize) add_record(records, "size", std::to_string(stored));
  if (entry.uid > kMostOctalId) add_record(records, "uid", std::to_string(entry.uid));
  if (entry.gid > kMostOctalId) add_record(records, "gid", std::to_string(entry.gid));
  const bool time_fits = entry.mtime.tv_sec >= 0 && static_cast<uint64_t>(entry.mtime.tv_sec) <= kMostOctalSize;
  if (!time_fits || entry.mtime.tv_nsec != 0) add_record(records, "mtime", format_time(entry.mtime));
  for (const Xattr& xattr : entry.xattrs) add_record(records, "SCHILY.xattr." + encoded_name(xattr.name), xattr.value);
  return records;
}

// The map of holes, itself padded to whole blocks.
std::string sparse_map(const TarEntry& entry) {
  std::string map = std::to_string(entry.map.size()) + "\n";
  for (const Extent& extent : entry.map) map += std::to_string(extent.offset) + "\n" + std::to_string(extent.length) + "\n";
  return map.append(tar_padding(map.size()), '\0');
}

}  // namespace

std::string format_tar_headers(const TarEntry& entry) {
  const std::string map = entry.sparse ? sparse_map(entry) : std::string();
  uint64_t stored = entry.size;
  if (entry.sparse) {
    stored = map.size();
    for (const Extent& extent : entry.map) stored += extent.length;
  }
  std::string result;
  const std::string records = pax_records(entry, stored);
  if (!records.empty()) {
    TarEntry header;
    header.type = tar::kPax;
    header.mode = 0644;
    result = format_block(header, "././@PaxHeader", records.size()) + records;
    result.append(tar_padding(records.size()), '\0');
  }
  // With this name, a reader that doesn't know holes does not write the packed data under the file's own name.
  const std::string name = entry.sparse ? "GNUSparseFile.0/" + entry.name.substr(entry.name.rfind('/') + 1) : entry.name;
  return result + format_block(entry, name, stored) + map;
}

}  // namespace nacelle::layer
