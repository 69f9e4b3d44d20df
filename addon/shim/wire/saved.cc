#include "saved.h"

#include <cstring>

namespace nacelle {
namespace {

void wipe(SavedValues& values) {
  for (auto& value : values) {
    for (std::string& item : value.second) explicit_bzero(item.data(), item.size());
  }
}

// Bytes of a structure, so that they are written without being moved: what was moved would stay in memory.
size_t size_of(const SavedValues& values) {
  size_t size = sizeof(uint32_t);
  for (const auto& value : values) {
    size += value.first.size() + 1 + 2 * sizeof(uint32_t);
    for (const std::string& item : value.second) size += item.size() + sizeof(uint32_t);
  }
  return size;
}

}  // namespace

Saved::~Saved() { wipe(values_); }
Found::~Found() { wipe(values_); }

Saved& Saved::number(const char* name, uint64_t value) { return text(name, reinterpret_cast<const char*>(&value), sizeof value); }

Saved& Saved::text(const char* name, const char* data, size_t size) {
  values_[name] = {std::string(data, size)};
  return *this;
}

Saved& Saved::fd(const char* name, int fd) {
  if (fd < 0) return *this;
  kept_->push_back(fd);
  return number(name, static_cast<uint64_t>(fd));
}

Saved& Saved::add(const char* name, const Saved& item) {
  values_[name].push_back(item.bytes());
  return *this;
}

std::string Saved::bytes() const {
  std::string out;
  out.reserve(size_of(values_));
  Writer writer(out);
  writer.u32(static_cast<uint32_t>(values_.size()));
  for (const auto& [name, items] : values_) {
    writer.str(name.c_str()).u32(static_cast<uint32_t>(items.size()));
    for (const std::string& item : items) writer.bytes(item.data(), item.size());
  }
  return out;
}

bool Found::read(const std::string& bytes) {
  Reader reader(bytes.data(), bytes.size());
  wipe(values_);
  values_.clear();
  for (uint32_t left = reader.u32(); left > 0 && reader.ok(); --left) {
    std::vector<std::string>& items = values_[reader.str().text];
    for (uint32_t count = reader.u32(); count > 0 && reader.ok(); --count) {
      const Bytes item = reader.bytes();
      items.emplace_back(item.data, item.size);
    }
  }
  return reader.ok() && reader.done();
}

uint64_t Found::number(const char* name, uint64_t otherwise) const {
  const std::string value = text(name);
  if (value.size() != sizeof otherwise) return otherwise;
  std::memcpy(&otherwise, value.data(), sizeof otherwise);
  return otherwise;
}

std::string Found::text(const char* name) const {
  const auto value = values_.find(name);
  return value == values_.end() || value->second.empty() ? std::string() : value->second.front();
}

unique_fd Found::fd(const char* name) const { return unique_fd(static_cast<int>(static_cast<int64_t>(number(name, ~uint64_t{0})))); }

std::vector<Found> Found::list(const char* name) const {
  std::vector<Found> items;
  const auto value = values_.find(name);
  if (value == values_.end()) return items;
  for (const std::string& bytes : value->second) {
    Found item;
    item.are_whole_ = are_whole_;
    if (item.read(bytes))
      items.push_back(std::move(item));
    else
      *are_whole_ = false;
  }
  return items;
}

}  // namespace nacelle
