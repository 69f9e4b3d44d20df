#include "saved.h"

#include <cstring>

namespace nacelle {

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

std::vector<Found> Found::list(const char* name) {
  std::vector<Found> items;
  for (const std::string& bytes : values_[name]) {
    Found item;
    if (item.read(bytes))
      items.push_back(std::move(item));
    else
      are_whole_ = false;
  }
  return items;
}

}  // namespace nacelle
