#include "change_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

namespace nacelle {
namespace {

constexpr uint32_t kChanges = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF;
// Of more the names are not looked at one by one.
constexpr size_t kMostChanges = 1024;

struct Change {
  int folder;
  std::string name;
};
constexpr int kAnything = -1;  // inotify's own number for events that were lost

bool have_mounts_changed(int mountinfo) {
  pollfd mounts{mountinfo, POLLPRI, 0};
  return poll(&mounts, 1, 0) != 0;
}

// False when something was lost.
bool read_changes(int folders, std::vector<Change>& changes) {
  alignas(inotify_event) char buffer[4096];
  for (;;) {
    const ssize_t size = read(folders, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno == EAGAIN;
    for (ssize_t at = 0; at < size;) {
      inotify_event event{};
      std::memcpy(&event, buffer + at, sizeof event);
      if (event.wd == kAnything || changes.size() == kMostChanges) return false;
      changes.push_back({event.wd, event.len == 0 ? "" : buffer + at + sizeof event});
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
  }
}

}  // namespace

Napi::Function ChangeWatch::Define(Napi::Env env) {
  return DefineClass(env, "ChangeWatch",
                     {
                         InstanceMethod<&ChangeWatch::Add>("add"),
                         InstanceMethod<&ChangeWatch::Changes>("changes"),
                     });
}

// Where either can't be had, every `add` fails.
ChangeWatch::ChangeWatch(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ChangeWatch>(info), mounts_(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)) {
  if (mounts_) folders_.reset(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
}

Napi::Value ChangeWatch::Add(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const int folder = inotify_add_watch(folders_.get(), path.c_str(), kChanges | IN_ONLYDIR);
  return Napi::Number::New(info.Env(), folder < 0 ? -errno : folder);
}

Napi::Value ChangeWatch::Changes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<Change> changes;
  const bool is_known = !have_mounts_changed(mounts_.get()) && read_changes(folders_.get(), changes);
  if (!is_known) changes.assign(1, {kAnything, ""});
  Napi::Array all = Napi::Array::New(env, changes.size());
  for (uint32_t i = 0; i < changes.size(); ++i) {
    Napi::Array pair = Napi::Array::New(env, 2);
    pair.Set(0U, Napi::Number::New(env, changes[i].folder));
    pair.Set(1U, Napi::String::New(env, changes[i].name));
    all.Set(i, pair);
  }
  return all;
}

}  // namespace nacelle
