#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace nacelle {

// An extended attribute of one of several files, told by the file's place among them.
struct Attribute {
  uint32_t file;
  std::string name, value;
};

// The attributes of files in a folder, by their names there (xattr(7)). No link is followed, and a file that is not there has none. 0 or
// -errno; -E2BIG where all of them have more than `most` bytes.
int read_attributes(const std::string& folder, const std::vector<std::string>& names, size_t most, std::vector<Attribute>& found);

// A list with three values for each attribute: the file's place, the attribute's name as bytes, and its value.
Napi::Array attribute_list(Napi::Env env, const std::vector<Attribute>& found);

// fileAttributes(folder, names, most): read_attributes beside the event loop. It gives a promise of attribute_list, or of -errno.
Napi::Value FileAttributes(const Napi::CallbackInfo& info);

}  // namespace nacelle
