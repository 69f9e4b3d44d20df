#include "tar_header.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nacelle::layer {
namespace {

std::string_view field(const char* block, size_t offset, size_t size) { return {block + offset, size}; }

// Text ends at the first NUL, or fills its field.
std::string_view text(const char* block, size_t offset, size_t size) { return {block + offset, strnlen(block + offset, size)}; }

bool parse_base256(std::string_view field, int64_t& value) {
  // The first byte is 0x80 before a positive number and 0xff before a negative one, with bits of the number in between.
  const bool negative = (field[0] & 0x40) != 0;
  const unsigned char fill = negative ? 0xff : 0x00;
  uint64_t bits = negative ? UINT64_MAX : 0;
  for (size_t i = 0; i < field.size(); ++i) {
    unsigned char byte = static_cast<unsigned char>(field[i]);
    if (i == 0) byte = negative ? byte : byte & 0x7f;
    if ((bits >> 56) != fill) return false;  // a byte that counts would be shifted out
    bits = (bits << 8) | byte;
  }
  value = static_cast<int64_t>(bits);
  return (value < 0) == negative;
}

// The sum of a block's bytes, eight at a time.
int64_t sum_of(const char* block) {
  constexpr uint64_t kEveryOther = 0x00ff00ff00ff00ff;
  uint64_t sums = 0;  // four of 16 bits, each of 128 bytes
  for (size_t i = 0; i < kBlockSize; i += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, block + i, sizeof word);
    sums += (word & kEveryOther) + (word >> 8 & kEveryOther);
  }
  int64_t sum = 0;
  for (; sums != 0; sums >>= 16) sum += static_cast<int64_t>(sums & 0xffff);
  return sum;
}

// Both sums are accepted, since old archives were written with signed bytes: each byte from 128 on counts 256 less then.
bool has_checksum(const char* block) {
  constexpr size_t kAt = 148, kSize = 8;
  int64_t wanted;
  if (!parse_tar_number(field(block, kAt, kSize), wanted)) return false;
  char counted[kBlockSize];
  std::memcpy(counted, block, kBlockSize);
  std::memset(counted + kAt, ' ', kSize);  // the sum's own field counts as blanks
  const int64_t plain = sum_of(counted);
  if (wanted == plain) return true;
  const auto high = std::count_if(counted, counted + kBlockSize, [](char byte) { return (byte & 0x80) != 0; });
  return wanted == plain - 256 * int64_t{high};
}

std::string full_name(const char* block) {
  const std::string_view name = text(block, 0, 100);
  if (std::memcmp(block + 257, "ustar\0", 6) != 0) return std::string(name);
  // the tar program 'star' keeps two times at the end of the prefix, and marks such headers with 'tar\0'
  const bool star = std::memcmp(block + 508, "tar\0", 4) == 0;
  const std::string_view prefix = text(block, 345, star ? 131 : 155);
  return prefix.empty() ? std::string(name) : std::string(prefix).append("/").append(name);
}

bool narrow(std::string_view field, uint32_t most, uint32_t& value) {
  int64_t number;
  if (!parse_tar_number(field, number) || number < 0 || number > most) return false;
  value = static_cast<uint32_t>(number);
  return true;
}

}  // namespace

bool parse_tar_number(std::string_view field, int64_t& value) {
  if (!field.empty() && (field[0] & 0x80) != 0) return parse_base256(field, value);
  size_t at = 0;
  while (at < field.size() && field[at] == ' ') ++at;
  uint64_t number = 0;
  for (; at < field.size() && field[at] >= '0' && field[at] <= '7'; ++at) {
    if (number >> 60 != 0) return false;
    number = number << 3 | static_cast<uint64_t>(field[at] - '0');
  }
  for (; at < field.size(); ++at) {
    if (field[at] == '\0') break;  // the rest after a NUL is ignored, as everywhere in tar
    if (field[at] != ' ') return false;
  }
  value = static_cast<int64_t>(number);
  return true;
}

bool parse_decimal(std::string_view text, uint64_t most, uint64_t& value) {
  if (text.empty()) return false;
  uint64_t number = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return false;
    const uint64_t units = static_cast<uint64_t>(digit - '0');
    if (number > most / 10 || units > most - number * 10) return false;
    number = number * 10 + units;
  }
  value = number;
  return true;
}

bool is_zero_block(const char* block) { return block[0] == '\0' && std::memcmp(block, block + 1, kBlockSize - 1) == 0; }

int parse_tar_header(const char* block, TarHeader& header, Failure& why) {
  if (!has_checksum(block)) return fail(why, EBADMSG, "a header's checksum is wrong: this is no tar archive, or a damaged one");
  header.type = block[156] == '\0' ? tar::kFile : block[156];
  header.name = full_name(block);
  header.link = text(block, 157, 100);
  const auto bad = [&](const char* what) {
    return fail(why, EBADMSG, "entry %s: its %s is not a number tar can hold", shown(header.name).c_str(), what);
  };
  int64_t number;
  if (!parse_tar_number(field(block, 100, 8), number) || number < 0) return bad("mode");
  header.mode = static_cast<uint32_t>(number & 07777);
  // 4294967295 means 'unchanged' to chown(2)
  if (!narrow(field(block, 108, 8), UINT32_MAX - 1, header.uid)) return bad("uid");
  if (!narrow(field(block, 116, 8), UINT32_MAX - 1, header.gid)) return bad("gid");
  if (!parse_tar_number(field(block, 124, 12), number) || number < 0) return bad("size");
  header.size = static_cast<uint64_t>(number);
  if (!parse_tar_number(field(block, 136, 12), number)) return bad("mtime");
  header.mtime = {static_cast<time_t>(number), 0};
  if (header.type == tar::kCharacter || header.type == tar::kBlock) {
    if (!narrow(field(block, 329, 8), UINT32_MAX, header.major)) return bad("major");
    if (!narrow(field(block, 337, 8), UINT32_MAX, header.minor)) return bad("minor");
  }
  return 0;
}

}  // namespace nacelle::layer
