#include "account.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace nacelle {
namespace {

struct Text {
  const char* data = nullptr;
  size_t size = 0;
  bool is(const Text& other) const { return size == other.size && std::memcmp(data, other.data, size) == 0; }
};

// Takes the part before `separator`, and leaves the rest.
Text take(Text& rest, char separator) {
  const void* found = rest.size == 0 ? nullptr : std::memchr(rest.data, separator, rest.size);
  Text part = rest;
  if (found == nullptr) {
    rest = Text{rest.data + rest.size, 0};
    return part;
  }
  part.size = static_cast<size_t>(static_cast<const char*>(found) - rest.data);
  rest.data += part.size + 1;
  rest.size -= part.size + 1;
  return part;
}

// Reads a plain decimal id. "01" and "4294967295" (which setresuid takes as "no change") are refused.
bool parse_id(const Text& text, uint32_t& id) {
  if (text.size == 0 || text.size > 10 || (text.size > 1 && text.data[0] == '0')) return false;
  uint64_t value = 0;
  for (size_t i = 0; i < text.size; ++i) {
    if (text.data[i] < '0' || text.data[i] > '9') return false;
    value = value * 10 + static_cast<uint64_t>(text.data[i] - '0');
  }
  if (value >= UINT32_MAX) return false;
  id = static_cast<uint32_t>(value);
  return true;
}

bool looks_numeric(const Text& text) {
  for (size_t i = 0; i < text.size; ++i) {
    if (text.data[i] < '0' || text.data[i] > '9') return false;
  }
  return text.size > 0;
}

// name:password:uid:gid:gecos:home:shell
struct PasswdEntry {
  Text name, home;
  uint32_t uid = 0, gid = 0;
};

bool parse_passwd(Text line, PasswdEntry& entry) {
  entry.name = take(line, ':');
  take(line, ':');
  const Text uid = take(line, ':');
  const Text gid = take(line, ':');
  take(line, ':');
  entry.home = take(line, ':');
  return entry.name.size > 0 && parse_id(uid, entry.uid) && parse_id(gid, entry.gid);
}

bool find_passwd(const AccountFiles& files, const Text& name, bool by_id, uint32_t id, PasswdEntry& entry) {
  Text rest{files.passwd, files.passwd_size};
  while (rest.size > 0) {
    if (!parse_passwd(take(rest, '\n'), entry)) continue;
    if (by_id ? entry.uid == id : entry.name.is(name)) return true;
  }
  return false;
}

// name:password:gid:member,member
bool find_group(const AccountFiles& files, const Text& name, uint32_t& gid) {
  Text rest{files.group, files.group_size};
  while (rest.size > 0) {
    Text line = take(rest, '\n');
    const Text entry = take(line, ':');
    take(line, ':');
    if (entry.size > 0 && entry.is(name) && parse_id(take(line, ':'), gid)) return true;
  }
  return false;
}

// Adds the groups of which the files say that `member` is in them.
int add_groups(const AccountFiles& files, const Text& member, Account& out) {
  Text rest{files.group, files.group_size};
  while (rest.size > 0) {
    Text line = take(rest, '\n');
    take(line, ':');
    take(line, ':');
    uint32_t gid = 0;
    if (!parse_id(take(line, ':'), gid)) continue;
    while (line.size > 0) {
      if (!take(line, ',').is(member)) continue;
      if (const int result = add_group(gid, out); result < 0) return result;
      break;
    }
  }
  return 0;
}

}  // namespace

int find_account(const char* user, const AccountFiles& files, Account& out) {
  Text rest{user, std::strlen(user)};
  const bool has_group = std::memchr(user, ':', rest.size) != nullptr;
  const Text name = take(rest, ':');
  const Text group = rest;
  if (name.size == 0 || (has_group && group.size == 0)) return -EINVAL;

  PasswdEntry entry;
  uint32_t id = 0;
  const bool numeric = looks_numeric(name);
  if (numeric && !parse_id(name, id)) return -EINVAL;
  const bool found = find_passwd(files, name, numeric, id, entry);
  if (!found && !numeric) return -ENOENT;

  out = Account{};
  out.known = true;
  out.uid = found ? entry.uid : id;
  out.gid = found ? entry.gid : 0;
  if (found && entry.home.size > 0) {
    if (entry.home.size >= sizeof out.home) return -ENAMETOOLONG;
    std::memcpy(out.home, entry.home.data, entry.home.size);
    out.home[entry.home.size] = '\0';
  }
  if (has_group && looks_numeric(group)) {
    if (!parse_id(group, out.gid)) return -EINVAL;
  } else if (has_group && !find_group(files, group, out.gid)) {
    return -ENOENT;
  }
  // A program that a set-group-id file started would else be outside the user's own group, and be let where that may not go
  // (CVE-2022-36109).
  if (const int result = add_group(out.gid, out); result < 0) return result;
  return found && !has_group ? add_groups(files, entry.name, out) : 0;
}

int add_group(gid_t gid, Account& out) {
  const gid_t* const end = out.groups + out.group_count;
  if (std::find(static_cast<const gid_t*>(out.groups), end, gid) != end) return 0;
  if (out.group_count == kMaxGroups) return -E2BIG;
  out.groups[out.group_count++] = gid;
  return 0;
}

int add_group(const char* group, const AccountFiles& files, Account& out) {
  const Text name{group, std::strlen(group)};
  uint32_t gid = 0;
  if (looks_numeric(name)) {
    if (!parse_id(name, gid)) return -EINVAL;
  } else if (!find_group(files, name, gid)) {
    return -ENOENT;
  }
  return add_group(gid, out);
}

}  // namespace nacelle
