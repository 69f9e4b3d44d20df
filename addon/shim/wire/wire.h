#pragma once

#include <cstdint>
#include <cstring>
#include <string>

// Reads and writes the values of protocol.h. The reader copies nothing and allocates nothing, so that a
// cloned child can use it; a short or wrong message makes ok() false, and every value after it empty.
namespace nacelle {

struct Bytes {
  const char* data = "";
  uint32_t size = 0;
};

// A string that has its NUL in the message itself.
struct Str {
  const char* text = "";
  uint32_t size = 0;
  bool empty() const { return size == 0; }
};

class Reader;

// A list whose items are read one by one, while the list is walked.
template <typename T>
class List;

class Reader {
 public:
  Reader() : Reader("", 0) {}
  Reader(const char* data, size_t size) : at_(data), end_(data + size) {}

  bool ok() const { return ok_; }
  bool done() const { return at_ == end_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }

  uint8_t u8() { return scalar<uint8_t>(); }
  uint16_t u16() { return scalar<uint16_t>(); }
  uint32_t u32() { return scalar<uint32_t>(); }
  int32_t i32() { return scalar<int32_t>(); }
  uint64_t num() { return scalar<uint64_t>(); }
  int32_t slot() { return i32(); }

  Bytes bytes() {
    const uint32_t size = u32();
    if (!ok_ || left() < size) return fail(), Bytes{};
    Bytes value{at_, size};
    at_ += size;
    return value;
  }

  Str str() {
    const uint32_t size = u32();
    if (!ok_ || left() < size_t{size} + 1 || at_[size] != '\0' || std::memchr(at_, 0, size) != nullptr) {
      return fail(), Str{};
    }
    Str value{at_, size};
    at_ += size + 1;
    return value;
  }

  template <typename T>
  List<T> list();

  // The part of the message from here that is `size` bytes long, as a reader of its own.
  Reader part(uint32_t size) {
    if (!ok_ || left() < size) return fail(), Reader("", 0);
    Reader value(at_, size);
    at_ += size;
    return value;
  }

  // A part that is preceded by its size.
  Reader sized_part() {
    const uint32_t size = u32();
    return part(size);
  }

  const char* position() const { return at_; }

 private:
  void fail() {
    ok_ = false;
    at_ = end_;
  }

  template <typename T>
  T scalar() {
    T value{};
    if (!ok_ || left() < sizeof value) return fail(), value;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
};

// A step, or a part of a plan, as it travels: its number u16, whether the shim runs it u8 (of a part: 0), the size of its fields u32, the
// fields.
struct Item {
  uint16_t number = 0;
  bool host = false;
  Reader fields;
};

// Reads the next one; false at the end, or when the message is wrong.
inline bool next_item(Reader& reader, Item& item) {
  if (!reader.ok() || reader.done()) return false;
  item.number = reader.u16();
  item.host = reader.u8() != 0;
  item.fields = reader.sized_part();
  return reader.ok();
}

template <typename T>
T read_item(Reader& reader);
template <>
inline Str read_item<Str>(Reader& reader) {
  return reader.str();
}
template <>
inline int32_t read_item<int32_t>(Reader& reader) {
  return reader.slot();
}

template <typename T>
class List {
 public:
  List() = default;
  List(uint32_t count, Reader items) : count_(count), items_(items) {}
  uint32_t size() const { return count_; }

  class iterator {
   public:
    iterator(Reader items, uint32_t left) : items_(items), left_(left) { read(); }
    const T& operator*() const { return item_; }
    iterator& operator++() {
      --left_;
      read();
      return *this;
    }
    bool operator!=(const iterator& other) const { return left_ != other.left_; }

   private:
    void read() {
      if (left_ > 0) item_ = read_item<T>(items_);
    }
    Reader items_;
    uint32_t left_;
    T item_{};
  };

  iterator begin() const { return iterator(items_, count_); }
  iterator end() const { return iterator(items_, 0); }

 private:
  uint32_t count_ = 0;
  Reader items_;
};

template <typename T>
List<T> Reader::list() {
  const uint32_t count = u32();
  Reader items(at_, left());
  for (uint32_t i = 0; i < count && ok_; ++i) read_item<T>(*this);
  if (!ok_) return List<T>();
  return List<T>(count, items);
}

// Appends to a string; for the shim, which may allocate.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  Writer& u8(uint8_t value) { return scalar(value); }
  Writer& u32(uint32_t value) { return scalar(value); }
  Writer& i32(int32_t value) { return scalar(value); }
  Writer& num(uint64_t value) { return scalar(value); }
  Writer& bytes(const char* data, size_t size) {
    u32(static_cast<uint32_t>(size));
    out_.append(data, size);
    return *this;
  }
  Writer& str(const char* text) {
    bytes(text, std::strlen(text));
    out_.push_back('\0');
    return *this;
  }

 private:
  template <typename T>
  Writer& scalar(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  std::string& out_;
};

}  // namespace nacelle
