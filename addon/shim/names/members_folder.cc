#include "members_folder.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "../kernel/file_io.h"

namespace nacelle::names {
namespace {

constexpr uint32_t kAppears = IN_MOVED_TO | IN_CREATE | IN_CLOSE_WRITE, kGoes = IN_MOVED_FROM | IN_DELETE;

enum class Outcome { kText, kNoMember, kFailed };

// There is nothing by that name, or something else than a file, which is none of ours: a link, a socket, a folder.
bool is_no_file(int error) { return error == ENOENT || error == ELOOP || error == ENXIO || error == ENODEV || error == EISDIR; }

// Reads a file of at most so many bytes.
Outcome read_file(int folder, const char* name, size_t most, std::string& out) {
  // opening must not wait
  const unique_fd file(openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return is_no_file(errno) ? Outcome::kNoMember : Outcome::kFailed;
  out.resize(most + 1);
  size_t size = 0;
  while (size < out.size()) {
    const ssize_t count = read(file.get(), out.data() + size, out.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return is_no_file(errno) ? Outcome::kNoMember : Outcome::kFailed;
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  out.resize(size);
  return size <= most ? Outcome::kText : Outcome::kNoMember;
}

}  // namespace

int watch_members(int folder, unique_fd& out) {
  out.reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!out) return -errno;
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", folder);
  return inotify_add_watch(out.get(), path, kAppears | kGoes | IN_ONLYDIR) < 0 ? -errno : 0;
}

int MembersFolder::open(int folder, unique_fd changes) {
  folder_ = folder;
  changes_ = std::move(changes);
  return read_all();
}

void MembersFolder::refresh() {
  std::set<std::string> again;
  again.swap(unread_);
  read_events();
  if (is_unread_) read_all();
  for (const std::string& name : again) read_one(name);
}

void MembersFolder::read_events() {
  alignas(inotify_event) char events[16 * 1024];
  for (;;) {
    const ssize_t size = read(changes_.get(), events, sizeof events);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;  // EAGAIN: there are no more
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(events + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      if ((event->mask & IN_Q_OVERFLOW) != 0) {
        is_unread_ = true;
      } else if (event->len > 0 && event->name[0] != '.') {
        read_one(event->name);
      }
    }
  }
}

int MembersFolder::read_all() {
  is_unread_ = true;
  unique_fd folder(openat(folder_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return -errno;
  Folder names(std::move(folder));
  if (!names.opened()) return -errno;
  std::set<std::string> there;
  while (const char* name = names.next()) {
    if (name[0] != '.') there.insert(name);
  }
  database_.keep(there);
  for (const std::string& name : there) read_one(name);
  is_unread_ = false;
  return 0;
}

// Whatever the event was, the folder says what is so now. A file that can't be understood tells nothing; one that can't be read now, for
// want of a descriptor or a right, says what it said until it can.
void MembersFolder::read_one(const std::string& name) {
  std::string text;
  Member member;
  const Outcome outcome = read_file(folder_, name.c_str(), kMaxMemberFile, text);
  if (outcome == Outcome::kFailed) {
    unread_.insert(name);
  } else if (outcome == Outcome::kText && parse_member(text, member)) {
    database_.put(name, std::move(member));
  } else {
    database_.remove(name);
  }
}

}  // namespace nacelle::names
