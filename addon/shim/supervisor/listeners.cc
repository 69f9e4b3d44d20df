#include "listeners.h"

#include <algorithm>

#include "supervisor.h"

namespace nacelle {

void Listeners::remove(const Client& client) {
  all_.erase(std::remove_if(all_.begin(), all_.end(), [&client](const Listener& item) { return item.client == &client; }), all_.end());
}

void Listeners::tell(Message message) const {
  for (const Listener& listener : all_) {
    Message copy;
    copy.type = message.type;
    copy.id = listener.id;
    copy.body = message.body;
    copy.fds = std::move(message.fds);
    message.fds.clear();
    listener.client->send(std::move(copy));
  }
}

void Listeners::answer(const Listener& to, Message message) const {
  const auto is_same = [&to](const Listener& item) { return item.client == to.client && item.id == to.id; };
  if (std::none_of(all_.begin(), all_.end(), is_same)) return;
  message.id = to.id;
  to.client->send(std::move(message));
}

void Listeners::forget() {
  for (const Listener& listener : all_) listener.client->forget(listener.id);
  all_.clear();
}

}  // namespace nacelle
