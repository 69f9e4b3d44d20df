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

// Reads a file of at most so many bytes. False when that can't be.
bool read_file(int folder, const char* name, size_t most, std::string& out) {
  // a name that leads to something else than a file is none of ours, and opening it must not wait
  const unique_fd file(openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return false;
  out.resize(most + 1);
  size_t size = 0;
  while (size < out.size()) {
    const ssize_t count = read(file.get(), out.data() + size, out.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  out.resize(size);
  return size <= most;
}

}  // namespace

int MembersFolder::open(int folder) {
  folder_ = folder;
  changes_.reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!changes_) return -errno;
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", folder);
  if (inotify_add_watch(changes_.get(), path, kAppears | kGoes | IN_ONLYDIR) < 0) return -errno;
  read_all();
  return 0;
}

void MembersFolder::refresh() {
  alignas(inotify_event) char events[16 * 1024];
  for (;;) {
    const ssize_t size = read(changes_.get(), events, sizeof events);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;  // EAGAIN: there are no more
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(events + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      if ((event->mask & IN_Q_OVERFLOW) != 0) {
        read_all();
      } else if (event->len > 0 && event->name[0] != '.') {
        read_one(event->name);
      }
    }
  }
}

void MembersFolder::read_all() {
  database_.clear();
  Folder names(unique_fd(openat(folder_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!names.opened()) return;
  while (const char* name = names.next()) {
    if (name[0] != '.') read_one(name);
  }
}

// Whatever the event was, the folder says what is so now. A file that can't be understood tells nothing.
void MembersFolder::read_one(const std::string& name) {
  std::string text;
  Member member;
  if (read_file(folder_, name.c_str(), kMaxMemberFile, text) && parse_member(text, member)) {
    database_.put(name, std::move(member));
  } else {
    database_.remove(name);
  }
}

}  // namespace nacelle::names
