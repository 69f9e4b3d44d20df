#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "../../kernel/fuzz/require.h"
#include "../path.h"
#include "../tar_format.h"

// libFuzzer target for the tar reader: headers, PAX records, maps of holes, names. No file is made.
// Each name that is accepted must stay below the root, an entry that was read must survive being written and read again, and
// an archive may end between two entries but not within one.
//
//   clang++ -std=c++17 -fno-exceptions -fno-rtti -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined
//     addon/shim/layer/fuzz/unpack.cc addon/shim/layer/{failure,input,pax,path,sparse,tar_format,tar_header,tar_reader}.cc
//   ./a.out test/fixtures/fuzz/unpack
namespace {

using namespace nacelle;
using namespace nacelle::layer;

constexpr uint64_t kCap = 4 << 20;

int file_with(std::string_view bytes) {
  static const int file = memfd_create("archive", MFD_CLOEXEC);
  if (ftruncate(file, 0) < 0 || pwrite(file, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) __builtin_trap();
  lseek(file, 0, SEEK_SET);
  return file;
}

void check_round_trip(const TarEntry& entry) {
  Failure why;
  TarEntry again;
  Input input(file_with(format_tar_headers(entry)), kCap);
  TarReader reader(input);
  // An attribute or a map may exceed what the reader takes in one header.
  if (reader.next(again, why) != 1) return;
  require(again.name == entry.name && again.link == entry.link && again.type == entry.type && again.size == entry.size);
  require(again.mode == entry.mode && again.uid == entry.uid && again.gid == entry.gid);
  require(again.mtime.tv_sec == entry.mtime.tv_sec && again.mtime.tv_nsec == entry.mtime.tv_nsec);
  require(again.xattrs.size() == entry.xattrs.size() && again.map.size() == entry.map.size());
}

void check_name(const TarEntry& entry) {
  Failure why;
  std::string path;
  if (check_path(entry.name, {4095, 512}, path, why) < 0) return;
  require(path.find('\0') == std::string::npos && (path.empty() || (path.front() != '/' && path.back() != '/')));
  require(("/" + path + "/").find("/../") == std::string::npos);
}

// Counts the entries that the reader finds, or -errno.
int count_entries(std::string_view bytes) {
  Failure why;
  TarEntry entry;
  Input input(file_with(bytes), kCap);
  TarReader reader(input);
  int count = 0, result;
  while ((result = reader.next(entry, why)) > 0) ++count;
  return result < 0 ? result : count;
}

// Writes the headers of entries without data, one after the other, without the blocks that end an archive.
void check_end(const std::vector<TarEntry>& entries) {
  std::string archive;
  int count = 0;
  for (TarEntry entry : entries) {
    if (entry.sparse || entry.size != 0) continue;
    const std::string headers = format_tar_headers(entry);
    if (count_entries(headers) != 1) continue;  // the headers exceed what the reader takes in one header
    archive += headers;
    require(count_entries(archive) == ++count);
    for (const size_t cut : {size_t{1}, kBlockSize - 1, headers.size() - kBlockSize, headers.size() - 1}) {
      if (cut > 0) require(count_entries({archive.data(), archive.size() - cut}) == -EBADMSG);
    }
  }
}

// A mutated header seldom has the right checksum. Correcting it lets the input reach the code behind that check.
std::string with_checksums(std::string bytes) {
  for (size_t at = 0; at + kBlockSize <= bytes.size(); at += kBlockSize) {
    char* block = bytes.data() + at;
    if (std::memcmp(block + 257, "ustar", 5) != 0) continue;
    std::memset(block + 148, ' ', 8);
    unsigned sum = 0;
    for (size_t i = 0; i < kBlockSize; ++i) sum += static_cast<unsigned char>(block[i]);
    std::snprintf(block + 148, 8, "%07o", sum);
  }
  return bytes;
}

void read_archive(std::string_view bytes) {
  std::vector<TarEntry> entries;
  {
    Failure why;
    TarEntry entry;
    Input input(file_with(bytes), kCap);
    TarReader reader(input);
    while (reader.next(entry, why) > 0) {
      const char* at;
      while (reader.data(at, why) > 0) {}
      if (entries.size() < 64) entries.push_back(entry);
    }
  }
  for (const TarEntry& entry : entries) {
    check_name(entry);
    check_round_trip(entry);
  }
  check_end(entries);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_archive(bytes);
  read_archive(with_checksums(std::string(bytes)));
  return 0;
}
