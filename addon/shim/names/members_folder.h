#pragma once

#include <set>
#include <string>

#include "../kernel/unique_fd.h"
#include "database.h"

namespace nacelle::names {

// Opens what tells of changes in a folder, from now on: whoever starts the server has the right to read the folder, and hears why this
// can't be. 0 or -errno.
int watch_members(int folder, unique_fd& out);

// Keeps a database as the files of a folder are (member.h), by inotify(7).
class MembersFolder {
 public:
  explicit MembersFolder(Database& database) : database_(database) {}

  // Reads all of the folder, from which on `changes` (watch_members) tells of it. This needs only the right to read the files. 0 or -errno.
  int open(int folder, unique_fd changes);
  // Reads what has changed since the last call, and what could not be read then. A change that was made before this call is seen by it.
  void refresh();
  // Something could not be read, of which no change will tell.
  bool is_behind() const { return is_unread_ || !unread_.empty(); }
  // Readable when something has changed.
  int changes() const { return changes_.get(); }

 private:
  void read_events();
  // 0 or -errno: all is as it was.
  int read_all();
  void read_one(const std::string& name);

  Database& database_;
  int folder_ = -1;
  unique_fd changes_;
  // Files that could not be read, and whether the folder could not be.
  std::set<std::string> unread_;
  bool is_unread_ = false;
};

}  // namespace nacelle::names
