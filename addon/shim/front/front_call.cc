#include "front_call.h"

#include <initializer_list>
#include <map>
#include <string_view>

#include "lines.h"
#include "resident.h"
#include "signal_number.h"

namespace nacelle {
namespace {

struct Flag {
  std::string_view name;
  bool is_switch;
};

using Found = std::map<std::string_view, std::string_view>;

constexpr Flag kGlobalFlags[] = {{"root", false}, {"log", false}, {"log-format", false}, {"debug", true}, {"systemd-cgroup", true}};
constexpr Flag kKillFlags[] = {{"all", true}, {"a", true}};
constexpr Flag kDeleteFlags[] = {{"force", true}, {"f", true}};

// The commands that the front knows, with their flags and the words that each takes at most.
struct Command {
  std::string_view name;
  const Flag* flags;
  size_t flag_count;
  int most_words;
};
constexpr Command kCommands[] = {{"state", nullptr, 0, 1}, {"start", nullptr, 0, 1},  {"kill", kKillFlags, 2, 2},
                                 {"pause", nullptr, 0, 1}, {"resume", nullptr, 0, 1}, {"delete", kDeleteFlags, 2, 1}};

// The commands that a resident planner does.
constexpr std::string_view kPlanned[] = {"create", "run", "exec", "update"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word_character(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; }

// The name of a flag such as '--name=value'; empty for a word that is no flag.
std::string_view flag_name(std::string_view word) {
  if (word.empty() || word[0] != '-') return {};
  word.remove_prefix(word.substr(0, 2) == "--" ? 2 : 1);
  const std::string_view name = word.substr(0, word.find('='));
  if (name.empty() || !is_letter(name[0])) return {};
  for (const char c : name) {
    if (!is_word_character(c) && c != '-') return {};
  }
  return name;
}

const Flag* flag_of(std::string_view name, const Flag* flags, size_t count) {
  for (size_t at = 0; at < count; ++at) {
    if (flags[at].name == name) return &flags[at];
  }
  return nullptr;
}

// Reads flags up to the first word that is none, or '--'; the last value of each counts. The index of what follows; -1 for flags that are
// wrong.
int read_flags(int argc, const char* const* argv, int at, const Flag* flags, size_t count, Found& found) {
  for (; at < argc; ++at) {
    const std::string_view word = argv[at];
    if (word == "--") return at + 1;
    const std::string_view name = flag_name(word);
    if (name.empty()) return at;
    const Flag* flag = flag_of(name, flags, count);
    if (flag == nullptr) return -1;
    const size_t equals = word.find('=');
    std::string_view value = equals == std::string_view::npos ? std::string_view("true") : word.substr(equals + 1);
    if (flag->is_switch && value != "true" && value != "false") return -1;
    if (!flag->is_switch && equals == std::string_view::npos) {
      if (++at == argc) return -1;
      value = argv[at];
    }
    found[flag->name] = value;
  }
  return at;
}

bool is_set(const Found& found, std::string_view name) {
  const auto at = found.find(name);
  return at != found.end() && at->second == "true";
}

std::string_view value_of(const Found& found, std::string_view name, std::string_view otherwise) {
  const auto at = found.find(name);
  return at == found.end() ? otherwise : at->second;
}

// As TypeScript has it (lib/runtime-cli/state/container-state.ts), but for names that no file can have.
bool is_id(std::string_view id) {
  constexpr size_t kMostBytes = 255;
  if (id.empty() || id == "." || id == ".." || id.size() > kMostBytes) return false;
  for (const char c : id) {
    if (!is_word_character(c) && c != '+' && c != '.' && c != '-') return false;
  }
  return true;
}

// Whether a path says the same before and after its dots are resolved.
bool is_plain_path(std::string_view path) {
  if (path.empty() || path[0] != '/') return false;
  while (!path.empty()) {
    path.remove_prefix(1);
    const size_t end = path.find('/');
    const std::string_view name = path.substr(0, end);
    if (name == "." || name == "..") return false;
    path.remove_prefix(end == std::string_view::npos ? path.size() : end);
  }
  return true;
}

// Short and long names stand for one flag; where both are there, the planner knows which came last.
bool one_switch(const Found& found, std::string_view name, std::string_view abbreviation, bool& value) {
  if (found.count(name) != 0 && found.count(abbreviation) != 0) return false;
  value = is_set(found, name) || is_set(found, abbreviation);
  return true;
}

bool read_variant(const Found& flags, FrontCall& call) {
  constexpr int kKill = 9;
  bool all = false, force = false;
  if (!one_switch(flags, "all", "a", all) || !one_switch(flags, "force", "f", force)) return false;
  if (all) call.command += " --all";
  if (force) call.command += " --force";
  if (call.signal == kKill) call.command += " KILL";
  call.forgives = force;
  return true;
}

bool read_command(const Command& command, int argc, const char* const* argv, FrontCall& call) {
  Found flags;
  const int at = read_flags(argc, argv, call.command_at + 1, command.flags, command.flag_count, flags);
  if (at < 0 || argc - at < 1 || argc - at > command.most_words) return false;
  call.command = command.name;
  call.id = argv[at];
  if (!is_id(call.id)) return false;
  if (command.name == "kill") {
    call.signal = signal_number(argc - at == 2 ? argv[at + 1] : "TERM");
    if (call.signal < 0) return false;
  }
  return read_variant(flags, call);
}

}  // namespace

bool read_front_call(int argc, const char* const* argv, const std::string& default_root, FrontCall& call) {
  Found flags;
  call.command_at = read_flags(argc, argv, 0, kGlobalFlags, sizeof kGlobalFlags / sizeof kGlobalFlags[0], flags);
  if (call.command_at < 0 || call.command_at >= argc) return false;
  call.root = value_of(flags, "root", default_root);
  call.log = value_of(flags, "log", "");
  call.is_json = value_of(flags, "log-format", "") == "json";
  if (!is_plain_path(call.root)) return false;
  for (const Command& command : kCommands) {
    if (command.name == argv[call.command_at]) return read_command(command, argc, argv, call);
  }
  return false;
}

bool read_planned_call(int argc, const char* const* argv, const std::string& default_root, PlannedCall& call) {
  Found flags;
  const int at = read_flags(argc, argv, 0, kGlobalFlags, sizeof kGlobalFlags / sizeof kGlobalFlags[0], flags);
  if (at < 0 || at >= argc) return false;
  call.root = value_of(flags, "root", default_root);
  call.command = argv[at];
  call.command_at = at;
  if (!is_plain_path(call.root)) return false;
  for (const std::string_view command : kPlanned) {
    if (call.command == command) return true;
  }
  return false;
}

std::string_view resources_of(int argc, const char* const* argv, int command_at) {
  std::string_view found;
  for (int at = command_at + 1; at < argc; ++at) {
    const std::string_view word = argv[at];
    const std::string_view name = flag_name(word);
    if (word == "--") break;
    // flags may come after words
    if (name.empty()) continue;
    const size_t equals = word.find('=');
    // all flags of this command take a value
    if (equals == std::string_view::npos && ++at == argc) break;
    if (name == "resources" || name == "r") found = equals == std::string_view::npos ? std::string_view(argv[at]) : word.substr(equals + 1);
  }
  return found;
}

}  // namespace nacelle
