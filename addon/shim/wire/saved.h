#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../kernel/unique_fd.h"
#include "wire.h"

// What a shim knows, as bytes for the newer shim that takes over from it. Every value has a name, so that another version finds those that
// it knows, and does without the others. A value is a list of bytes, of one item where there is no more to say.
//
//   count (u32), then for each name: name (str), count (u32), items (bytes)
//
// Plans are among them, with the environments of programs: so the bytes leave memory with these objects.
namespace nacelle {

using SavedValues = std::map<std::string, std::vector<std::string>>;

class Saved {
 public:
  // `kept` takes the descriptors that must stay open over the execve.
  explicit Saved(std::vector<int>& kept) : kept_(&kept) {}
  Saved(Saved&&) = default;
  Saved(const Saved&) = delete;
  Saved& operator=(const Saved&) = delete;
  ~Saved();

  Saved& number(const char* name, uint64_t value);
  Saved& text(const char* name, const char* data, size_t size);
  Saved& text(const char* name, const std::string& value) { return text(name, value.data(), value.size()); }
  // The number of a descriptor; -1 is none.
  Saved& fd(const char* name, int fd);
  // One more item of a list.
  Saved& add(const char* name, const Saved& item);
  // Values of a structure that belongs to this one.
  Saved inner() const { return Saved(*kept_); }

  std::string bytes() const;

 private:
  std::vector<int>* kept_;
  SavedValues values_;
};

class Found {
 public:
  Found() = default;
  Found(Found&&) = default;
  Found& operator=(Found&&) = default;
  Found(const Found&) = delete;
  Found& operator=(const Found&) = delete;
  ~Found();

  // False for bytes that can't be read.
  bool read(const std::string& bytes);

  uint64_t number(const char* name, uint64_t otherwise = 0) const;
  std::string text(const char* name) const;
  // The caller owns the descriptor from now on.
  unique_fd fd(const char* name) const;
  // Items that can't be read are left out, and are_whole() is false then, for the whole to which this belongs.
  std::vector<Found> list(const char* name) const;
  bool are_whole() const { return *are_whole_; }

 private:
  std::shared_ptr<bool> are_whole_ = std::make_shared<bool>(true);
  SavedValues values_;
};

}  // namespace nacelle
