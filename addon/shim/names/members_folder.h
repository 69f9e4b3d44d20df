#pragma once

#include <string>

#include "../kernel/unique_fd.h"
#include "database.h"

namespace nacelle::names {

// Keeps a database as the files of a folder are (member.h), by inotify(7).
class MembersFolder {
 public:
  explicit MembersFolder(Database& database) : database_(database) {}

  // Watches the folder, and reads all of it. The watch needs the right to read the folder and /proc, what follows only the right to read
  // the files. 0 or -errno.
  int open(int folder);
  // Reads what has changed since the last call. A change that was made before this call is seen by it.
  void refresh();
  // Readable when something has changed.
  int changes() const { return changes_.get(); }

 private:
  void read_all();
  void read_one(const std::string& name);

  Database& database_;
  int folder_ = -1;
  unique_fd changes_;
};

}  // namespace nacelle::names
