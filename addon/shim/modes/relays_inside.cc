#include "relays_inside.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "restart_pause.h"

namespace nacelle {

int RelaysInside::find_or_make(int ns, ServedRelay*& out) {
  struct stat file {};
  if (fstat(ns, &file) < 0) return -errno;
  std::unique_ptr<ServedRelay>& relay = relays_[file.st_ino];
  if (relay == nullptr) {
    unique_fd own(fcntl(ns, F_DUPFD_CLOEXEC, 0));
    if (!own) {
      const int error = errno;
      relays_.erase(file.st_ino);
      return -error;
    }
    relay = std::make_unique<ServedRelay>(loop_, std::move(own));
    // where nothing comes to be served
    end_idle_later();
  }
  out = relay.get();
  return 0;
}

void RelaysInside::stop(uint64_t id, int64_t first, int64_t last) {
  for (const auto& entry : relays_) entry.second->stop(id, first, last);
  end_idle_later();
}

// Their processes have been told to stop by then, and end as their sockets are closed.
void RelaysInside::end_idle_later() {
  const auto is_idle = [](const auto& entry) { return entry.second->is_idle(); };
  if (std::none_of(relays_.begin(), relays_.end(), is_idle)) return;
  idle_.start(loop_, monotonic_ns() + kLinger, [this, is_idle] {
    for (auto item = relays_.begin(); item != relays_.end();) item = is_idle(*item) ? relays_.erase(item) : std::next(item);
  });
}

bool RelaysInside::has(pid_t pid) const {
  return std::any_of(relays_.begin(), relays_.end(), [pid](const auto& entry) { return entry.second->has(pid); });
}

void RelaysInside::ended(pid_t pid) {
  for (const auto& entry : relays_) {
    if (entry.second->has(pid)) return entry.second->ended(pid);
  }
}

void RelaysInside::save(Saved& to) const {
  for (const auto& entry : relays_) {
    Saved item = to.inner(), relay = to.inner();
    item.fd("ns", entry.second->ns());
    entry.second->save(relay);
    item.add("relay", relay);
    to.add("places", item);
  }
}

void RelaysInside::find(const Found& found, int executable) {
  for (const Found& item : found.list("places")) {
    const unique_fd ns = item.fd("ns");
    ServedRelay* relay = nullptr;
    if (find_or_make(ns.get(), relay) < 0 || relay == nullptr) continue;
    for (const Found& one : item.list("relay")) relay->find(one, executable);
  }
}

}  // namespace nacelle
