#include "xattrs.h"

#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>

#include "../kernel/read_whole.h"
#include "folder.h"

namespace nacelle::layer {
namespace {

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

// Reads a list of names, which is empty where the file system has no attributes.
template <typename List>
int read_list(List list, std::vector<std::string>& names) {
  std::string text;
  names.clear();
  const int result = read_whole(list, text);
  if (result < 0) return result == -EOPNOTSUPP ? 0 : result;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\0', start), text.size());
    names.emplace_back(text, start, end - start);
    start = end + 1;
  }
  std::sort(names.begin(), names.end());
  return 0;
}

template <typename List, typename Get>
int read_all(List list, Get get, std::vector<Xattr>& xattrs) {
  xattrs.clear();
  std::vector<std::string> names;
  if (const int result = read_list(list, names); result < 0) return result;
  for (std::string& name : names) {
    if (!is_layer_xattr(name)) continue;
    Xattr xattr{std::move(name), {}};
    const auto read = [&](char* buffer, size_t size) { return get(xattr.name.c_str(), buffer, size); };
    const int result = read_whole(read, xattr.value);
    if (result == -ENODATA) continue;  // it was removed meanwhile
    if (result < 0) return result;
    xattrs.push_back(std::move(xattr));
  }
  return 0;
}

template <typename Set>
int set_all(Set set, const std::vector<Xattr>& xattrs, std::string_view path, Failure& why) {
  for (const Xattr& xattr : xattrs) {
    if (!is_layer_xattr(xattr.name)) continue;
    if (set(xattr) < 0) return fail(why, errno, "entry %s: setting its attribute %s", shown(path).c_str(), shown(xattr.name).c_str());
  }
  return 0;
}

// Removes attributes that the entry doesn't have from a folder that was there before.
int remove_others(int fd, const std::vector<Xattr>& wanted, std::string_view path, Failure& why) {
  std::vector<std::string> names;
  if (const int result = list_xattrs(fd, names); result < 0)
    return fail(why, -result, "entry %s: listing its attributes", shown(path).c_str());
  for (const std::string& name : names) {
    const bool kept = std::any_of(wanted.begin(), wanted.end(), [&](const Xattr& xattr) { return xattr.name == name; });
    if (kept || !is_layer_xattr(name) || fremovexattr(fd, name.c_str()) == 0 || errno == ENODATA) continue;
    return fail(why, errno, "entry %s: removing its attribute %s", shown(path).c_str(), shown(name).c_str());
  }
  return 0;
}

}  // namespace

bool is_layer_xattr(std::string_view name) {
  constexpr std::string_view kOthers[] = {"trusted.overlay.", "user.overlay.", "trusted.SGI_ACL_", "security.selinux", "security.SMACK64"};
  return std::none_of(std::begin(kOthers), std::end(kOthers), [&](std::string_view start) { return starts_with(name, start); });
}

void leave_to_root(std::vector<Xattr>& xattrs) {
  const auto is_roots = [](const Xattr& xattr) {
    return starts_with(xattr.name, "trusted.") || (starts_with(xattr.name, "security.") && xattr.name != "security.capability");
  };
  xattrs.erase(std::remove_if(xattrs.begin(), xattrs.end(), is_roots), xattrs.end());
}

bool has_default_acl(int folder) { return fgetxattr(folder, kDefaultAcl, nullptr, 0) > 0; }

int set_xattrs(int fd, const std::vector<Xattr>& xattrs, bool fresh, std::string_view path, Failure& why) {
  if (!fresh) {
    if (const int result = remove_others(fd, xattrs, path, why); result < 0) return result;
  }
  return set_all([&](const Xattr& xattr) { return fsetxattr(fd, xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0); }, xattrs,
                 path, why);
}

int set_xattrs_at(int parent, const char* name, const std::vector<Xattr>& xattrs, bool fresh, std::string_view path, Failure& why) {
  if (xattrs.empty() && fresh) return 0;
  const WorkingDirectory here(parent);
  if (here.error() < 0) return fail(why, -here.error(), "entry %s: entering its folder", shown(path).c_str());
  if (!fresh && lremovexattr(name, kAccessAcl) < 0 && errno != ENODATA && errno != EOPNOTSUPP) {
    return fail(why, errno, "entry %s: removing its inherited attributes", shown(path).c_str());
  }
  return set_all([&](const Xattr& xattr) { return lsetxattr(name, xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0); }, xattrs,
                 path, why);
}

int read_xattrs(int fd, std::vector<Xattr>& xattrs) {
  return read_all([&](char* buffer, size_t size) { return flistxattr(fd, buffer, size); },
                  [&](const char* name, char* buffer, size_t size) { return fgetxattr(fd, name, buffer, size); }, xattrs);
}

int read_xattrs_at(int parent, const char* name, std::vector<Xattr>& xattrs) {
  const WorkingDirectory here(parent);
  if (here.error() < 0) return here.error();
  return read_all([&](char* buffer, size_t size) { return llistxattr(name, buffer, size); },
                  [&](const char* key, char* buffer, size_t size) { return lgetxattr(name, key, buffer, size); }, xattrs);
}

int list_xattrs(int fd, std::vector<std::string>& names) {
  return read_list([&](char* buffer, size_t size) { return flistxattr(fd, buffer, size); }, names);
}

}  // namespace nacelle::layer
