#pragma once

#include <time.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "failure.h"

// One block of a tar archive, taken apart: pure, no system calls.
//
//   offset  0    100   108  116  124   136    148       156   157   257    263      265  297  329    337    345
//          +----+-----+----+----+-----+------+---------+-----+-----+------+--------+----+----+------+------+---------+
//          |name|mode |uid |gid |size |mtime |checksum |type |link |magic |version |user|grp |major |minor |prefix   |
//          +----+-----+----+----+-----+------+---------+-----+-----+------+--------+----+----+------+------+---------+
//
// POSIX writes 'ustar\0' '00' and the path's beginning in the prefix; GNU writes 'ustar  \0' and keeps other things
// there; the oldest format has neither the magic nor what follows it.
namespace nacelle::layer {

constexpr size_t kBlockSize = 512;

namespace tar {
constexpr char kFile = '0', kHardLink = '1', kSymlink = '2', kCharacter = '3', kBlock = '4', kDirectory = '5', kFifo = '6',
               kContiguous = '7', kPax = 'x', kPaxGlobal = 'g', kGnuLongName = 'L', kGnuLongLink = 'K', kGnuSparse = 'S';
}

struct TarHeader {
  char type = tar::kFile;
  std::string name, link;
  uint64_t size = 0;
  uint32_t mode = 0, uid = 0, gid = 0, major = 0, minor = 0;
  struct timespec mtime {};
};

// A number field: octal between blanks, or base-256 when its first bit is set. False for anything else, and past 63 bits.
bool parse_tar_number(std::string_view field, int64_t& value);

// Decimal digits and nothing else, up to `most`.
bool parse_decimal(std::string_view text, uint64_t most, uint64_t& value);

bool is_zero_block(const char* block);

// -EBADMSG with the reason when the checksum or a field is wrong.
int parse_tar_header(const char* block, TarHeader& header, Failure& why);

}  // namespace nacelle::layer
