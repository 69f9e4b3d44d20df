#include "../account.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../../kernel/fuzz/require.h"

// libFuzzer target for users and groups that an image's own files name: USER, /etc/passwd and /etc/group, with the byte 0x1e between them.
// Whatever the files say, an id comes from a line that has it or from a number that was asked for, and a group from a line that names the
// user, as another reader of the same lines finds.
namespace {

using namespace nacelle;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

using Line = std::vector<std::string>;

std::vector<Line> lines_of(const std::string& file) {
  std::vector<Line> lines;
  for (const std::string& line : split(file, '\n')) {
    lines.push_back(split(line, ':'));
    lines.back().resize(std::max<size_t>(lines.back().size(), 4));
  }
  return lines;
}

template <typename Condition>
bool has_line(const std::vector<Line>& lines, Condition condition) {
  return std::any_of(lines.begin(), lines.end(), condition);
}

// Memory of its own, so that the sanitizers see each byte beyond its end.
struct Bytes {
  explicit Bytes(const std::string& text) : data(new char[text.size()]), size(text.size()) {
    std::copy(text.begin(), text.end(), data.get());
  }
  std::unique_ptr<char[]> data;
  size_t size;
};

struct Files {
  Files(const std::string& passwd, const std::string& group) : passwd_bytes(passwd), group_bytes(group) {}
  AccountFiles files() const { return AccountFiles{passwd_bytes.data.get(), passwd_bytes.size, group_bytes.data.get(), group_bytes.size}; }
  Bytes passwd_bytes, group_bytes;
};

// The members of a group are all that comes after its id.
bool names_member(const Line& line, const std::string& name) {
  std::string rest = line[3];
  for (size_t i = 4; i < line.size(); ++i) rest += ":" + line[i];
  const std::vector<std::string> members = split(rest, ',');
  return std::find(members.begin(), members.end(), name) != members.end();
}

bool are_same(const Account& one, const Account& other) {
  return one.uid == other.uid && one.gid == other.gid && one.group_count == other.group_count && one.known == other.known &&
         std::equal(one.groups, one.groups + one.group_count, other.groups) && std::memcmp(one.home, other.home, sizeof one.home) == 0;
}

void check_groups(const Account& account) {
  require(account.group_count <= kMaxGroups);
  for (size_t i = 0; i < account.group_count; ++i) {
    require(account.groups[i] != UINT32_MAX);
    require(std::count(account.groups, account.groups + account.group_count, account.groups[i]) == 1);
  }
}

void check_found(const Account& account, const std::string& user, const std::vector<Line>& passwd, const std::vector<Line>& group) {
  const Line asked = split(user, ':');
  const std::string uid = std::to_string(account.uid), gid = std::to_string(account.gid);
  require(account.known && account.uid != UINT32_MAX && account.gid != UINT32_MAX);
  require(std::memchr(account.home, '\0', sizeof account.home) != nullptr);
  check_groups(account);
  const bool is_number = asked[0] == uid;
  const auto is_user = [&](const Line& line) { return line[2] == uid && (is_number || line[0] == asked[0]); };
  const bool is_in_passwd = has_line(passwd, is_user);
  require(is_in_passwd || (is_number && std::strcmp(account.home, "/") == 0));
  require(account.group_count > 0 && account.groups[0] == account.gid);
  if (asked.size() > 1) {
    // what comes after a second colon belongs to the name, and no line has such a name
    require(asked.size() == 2 && account.group_count == 1);
    require(asked[1] == gid || has_line(group, [&](const Line& line) { return line[0] == asked[1] && line[2] == gid; }));
    return;
  }
  require(has_line(passwd, [&](const Line& line) { return is_user(line) && line[3] == gid; }) || account.gid == 0);
  for (size_t i = 1; i < account.group_count; ++i) {
    const std::string id = std::to_string(account.groups[i]);
    const auto is_in = [&](const std::string& name) {
      return has_line(group, [&](const Line& line) { return line[2] == id && names_member(line, name); });
    };
    require(has_line(passwd, [&](const Line& line) { return is_user(line) && is_in(line[0]); }));
  }
}

void check_user(const std::string& user, const std::string& passwd, const std::string& group) {
  const Files files(passwd, group), ended(passwd + "\n", group + "\n");
  Account account, same;
  const int result = find_account(user.c_str(), files.files(), account);
  require(result == 0 || result == -ENOENT || result == -EINVAL || result == -E2BIG || result == -ENAMETOOLONG);
  // a line is the same at the end of the file
  require(find_account(user.c_str(), ended.files(), same) == result);
  if (result != 0) return;
  require(are_same(account, same));
  check_found(account, user, lines_of(passwd), lines_of(group));
}

void check_group(const std::string& name, const std::string& text) {
  const Files files("", text);
  Account account;
  const int result = add_group(name.c_str(), files.files(), account);
  require(result == 0 || result == -ENOENT || result == -EINVAL);
  check_groups(account);
  require(account.group_count == (result == 0 ? 1 : 0));
  if (result != 0) return;
  const std::string gid = std::to_string(account.groups[0]);
  require(name == gid || has_line(lines_of(text), [&](const Line& line) { return line[0] == name && line[2] == gid; }));
  require(add_group(name.c_str(), files.files(), account) == 0 && account.group_count == 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::string> parts = split(std::string(reinterpret_cast<const char*>(data), size), '\x1e');
  parts.resize(3);
  // a user is a C string, and the files are not
  const std::string user = parts[0].c_str();
  check_user(user, parts[1], parts[2]);
  check_group(user, parts[2]);
  return 0;
}
