#include "front_file.h"

#include "lines.h"

namespace nacelle {
namespace {

std::string* field_of(std::string_view key, FrontFile& file) {
  if (key == "node") return &file.node;
  if (key == "script") return &file.script;
  if (key == "root") return &file.root;
  if (key == "resident") return &file.resident;
  return key == "missing" ? &file.missing : nullptr;
}

bool read_line(std::string_view line, FrontFile& file) {
  const std::string_view key = take_word(line);
  std::string value;
  if (!read_value(line, value) || value.empty()) return false;
  if (key == "unset") {
    file.unset.push_back(value);
    return true;
  }
  std::string* field = field_of(key, file);
  if (field == nullptr || !field->empty()) return false;
  *field = value;
  return true;
}

bool is_absolute(std::string_view path) { return !path.empty() && path[0] == '/'; }

}  // namespace

bool read_front_file(std::string_view text, FrontFile& file) {
  Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    if (line.empty() || line[0] == '#') continue;
    if (!read_line(line, file)) file.is_known = false;
  }
  if (!lines.done() || !is_absolute(file.root) || file.missing.empty()) file.is_known = false;
  return is_absolute(file.node) && is_absolute(file.script);
}

}  // namespace nacelle
