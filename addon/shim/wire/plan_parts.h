#pragma once

#include <cstdint>

#include "wire.h"

// plan.def, unrolled: the numbers of the parts, a struct of fields for each, and the code that reads them.
namespace nacelle {

// A file by the slot of a folder and the path from there.
struct FileAt {
  int32_t at = -1;
  Str path;
};

template <>
inline FileAt read_item<FileAt>(Reader& reader) {
  FileAt file;
  file.at = reader.slot();
  file.path = reader.str();
  return file;
}

enum class Part : uint16_t {
#define PART(name, ...) name,
#include "plan.def"
#undef PART
};

namespace parts {

#include "field_members.def"
#define PART(name, ...) \
  struct name {         \
    __VA_ARGS__         \
  };
#include "plan.def"
#undef PART
#include "field_end.def"

#include "field_readers.def"
#define PART(name, ...)                                          \
  inline bool decode(Reader& reader, [[maybe_unused]] name& a) { \
    __VA_ARGS__                                                  \
    return reader.ok() && reader.done();                         \
  }
#include "plan.def"
#undef PART
#include "field_end.def"

}  // namespace parts
}  // namespace nacelle
