#include "tar_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nacelle::layer {
namespace {

// The most bytes of an extended header, which is kept in memory. It has names and attributes, which the kernel limits far below this.
constexpr uint64_t kMostText = 1 << 20;

uint64_t padding_of(uint64_t size) { return (kBlockSize - size % kBlockSize) % kBlockSize; }

bool is_special(char type) {
  return type == tar::kPax || type == tar::kPaxGlobal || type == tar::kGnuLongName || type == tar::kGnuLongLink;
}

}  // namespace

int TarReader::failed(ssize_t error, Failure& why) const {
  const std::string where = name_.empty() ? "" : " in or after entry " + shown(name_);
  if (error == 0 || error == -EBADMSG) return fail(why, EBADMSG, "the archive ends too early%s", where.c_str());
  if (error == -kBeyondLimit) return fail(why, kBeyondLimit, "the archive has more bytes than maxBytes allows%s", where.c_str());
  return fail(why, static_cast<int>(-error), "reading the archive%s", where.c_str());
}

int TarReader::read_block(char* block, Failure& why) {
  const char* at;
  const ssize_t count = input_.block(at);
  if (count <= 0) return failed(count, why);
  std::memcpy(block, at, kBlockSize);
  return 0;
}

ssize_t TarReader::data(const char*& at, Failure& why) {
  if (left_ == 0) return 0;
  const ssize_t count = input_.some(at, left_);
  if (count <= 0) return failed(count, why);
  left_ -= static_cast<uint64_t>(count);
  return count;
}

int TarReader::skip(Failure& why) {
  const char* at;
  ssize_t count;
  while ((count = data(at, why)) > 0) {}
  // at the archive's end the padding may be missing: `umoci insert` writes none
  while (count == 0 && padding_ > 0) {
    const ssize_t passed = input_.some(at, padding_);
    if (passed < 0) return failed(passed, why);
    padding_ = passed == 0 ? 0 : padding_ - static_cast<uint64_t>(passed);
  }
  return static_cast<int>(count);
}

int TarReader::drain(Failure& why) {
  const char* at;
  ssize_t count;
  while ((count = input_.some(at, UINT64_MAX)) > 0) {}
  return count < 0 ? failed(count, why) : 0;
}

int TarReader::read_text(uint64_t size, std::string& text, Failure& why) {
  if (size > kMostText) return fail(why, EBADMSG, "an extended header of %llu bytes is too long", static_cast<unsigned long long>(size));
  left_ = size;
  padding_ = padding_of(size);
  text.clear();
  const char* at;
  ssize_t count;
  while ((count = data(at, why)) > 0) text.append(at, static_cast<size_t>(count));
  return static_cast<int>(count);
}

int TarReader::special(const TarHeader& header, Failure& why) {
  std::string text;
  if (const int result = read_text(header.size, text, why); result < 0) return result;
  if (header.type == tar::kPax || header.type == tar::kPaxGlobal) {
    const bool global = header.type == tar::kPaxGlobal;
    return parse_pax(text, global, global ? global_ : pax_, why);
  }
  text.resize(std::min(text.find('\0'), text.size()));
  (header.type == tar::kGnuLongName ? long_name_ : long_link_) = std::move(text);
  return 0;
}

int TarReader::next(TarEntry& entry, Failure& why) {
  pax_ = Pax{};
  long_name_.reset();
  long_link_.reset();
  bool begun = false;  // a header that belongs to an entry has come, but the entry itself has not
  for (;;) {
    if (const int result = skip(why); result < 0) return result;
    const char* at;
    ssize_t count = input_.block(at);
    if (count == 0 && !begun) return 0;  // the two blocks of zeros at the end may be missing, as GNU tar and Go's archive/tar allow
    if (count <= 0) return failed(count, why);
    char block[kBlockSize];
    std::memcpy(block, at, kBlockSize);
    if (is_zero_block(block)) {
      if (begun) return fail(why, EBADMSG, "the archive ends after a header without its entry");
      count = input_.block(at);
      if (count < 0) return failed(count, why);
      if (count > 0 && !is_zero_block(at)) return fail(why, EBADMSG, "the archive goes on after a block of zeros");
      return 0;
    }
    entry = TarEntry{};
    if (const int result = parse_tar_header(block, entry, why); result < 0) return result;
    if (!is_special(entry.type)) {
      const int result = complete(block, entry, why);
      return result < 0 ? result : 1;
    }
    begun = begun || entry.type != tar::kPaxGlobal;
    if (const int result = special(entry, why); result < 0) return result;
  }
}

int TarReader::complete(const char* block, TarEntry& entry, Failure& why) {
  if (long_name_) entry.name = *long_name_;
  if (long_link_) entry.link = *long_link_;
  for (const Pax* pax : {&global_, &pax_}) {
    if (pax->path) entry.name = *pax->path;
    if (pax->link) entry.link = *pax->link;
    if (pax->size) entry.size = *pax->size;
    if (pax->uid) entry.uid = *pax->uid;
    if (pax->gid) entry.gid = *pax->gid;
    if (pax->mtime) entry.mtime = *pax->mtime;
  }
  if (pax_.sparse.name) entry.name = *pax_.sparse.name;
  entry.xattrs = std::move(pax_.xattrs);
  name_ = entry.name;
  const auto refused = [&](const char* reason) { return fail(why, EBADMSG, "entry %s: %s", shown(entry.name).c_str(), reason); };

  if (entry.size > INT64_MAX - kBlockSize) return refused("its size is impossible");
  if (entry.type == tar::kContiguous) entry.type = tar::kFile;
  // before there was a type for folders, a slash at the end marked them
  if (entry.type == tar::kFile && !entry.name.empty() && entry.name.back() == '/') entry.type = tar::kDirectory;
  const bool file = entry.type == tar::kFile || entry.type == tar::kGnuSparse;
  if (!file && (entry.type < tar::kHardLink || entry.type > tar::kFifo)) {
    return refused(("its type " + shown({&entry.type, 1}) + " is unknown").c_str());
  }
  // Readers disagree on whether data follows other types, so an archive could hide entries from one of them.
  if (!file && entry.size != 0) return refused("only a file can have a size");
  left_ = entry.size;
  padding_ = padding_of(entry.size);
  if (entry.type != tar::kGnuSparse && !pax_.sparse.used()) return 0;
  if (!file) return refused("only a file can have holes");
  return read_sparse(block, entry, why);
}

int TarReader::read_sparse(const char* block, TarEntry& entry, Failure& why) {
  if (entry.type == tar::kGnuSparse) {
    if (const int result = read_old_sparse(block, entry, why); result < 0) return result;
  } else {
    if (!pax_.sparse.size || pax_.sparse.offset)
      return fail(why, EBADMSG, "entry %s: its map of holes is incomplete", shown(entry.name).c_str());
    entry.size = *pax_.sparse.size;
    if (pax_.sparse.map_is_in_data()) {
      if (const int result = read_map_in_data(entry, why); result < 0) return result;
    } else if (pax_.sparse.major.value_or(0) != 0) {
      return fail(why, EBADMSG, "entry %s: its map of holes has an unknown version", shown(entry.name).c_str());
    } else {
      entry.map = std::move(pax_.sparse.map);
    }
  }
  entry.sparse = true;
  return check_sparse(entry.map, entry.size, left_, entry.name, why);
}

int TarReader::read_old_sparse(const char* block, TarEntry& entry, Failure& why) {
  bool more = false;
  bool good = parse_old_sparse(block, entry.map, entry.size, more);
  while (good && more) {
    char extension[kBlockSize];
    if (const int result = read_block(extension, why); result < 0) return result;
    good = parse_old_sparse_extension(extension, entry.map, more);
  }
  if (!good) return fail(why, EBADMSG, "entry %s: its map of holes is malformed", shown(entry.name).c_str());
  entry.type = tar::kFile;
  return 0;
}

int TarReader::read_map_in_data(TarEntry& entry, Failure& why) {
  SparseMapParser parser;
  SparseMapParser::State state = SparseMapParser::State::more;
  while (state == SparseMapParser::State::more && left_ >= kBlockSize) {
    char block[kBlockSize];
    if (const int result = read_block(block, why); result < 0) return result;
    left_ -= kBlockSize;
    state = parser.feed(block);
  }
  if (state != SparseMapParser::State::done)
    return fail(why, EBADMSG, "entry %s: its map of holes is malformed", shown(entry.name).c_str());
  entry.map = parser.take();
  return 0;
}

}  // namespace nacelle::layer
