#pragma once

#include <cstdint>
#include <vector>

#include "../wire/message.h"

namespace nacelle {

class Client;

// A client that hears of a task, and the number by which the client calls the task.
struct Listener {
  Client* client = nullptr;
  uint32_t id = 0;
};

class Listeners {
 public:
  void add(const Listener& listener) { all_.push_back(listener); }
  void remove(const Client& client);
  bool empty() const { return all_.empty(); }
  const std::vector<Listener>& all() const { return all_; }
  // The first one, who started the task, gets the descriptors of the message.
  void tell(Message message) const;
  // Tells one alone, unless that client is gone.
  void answer(const Listener& to, Message message) const;
  // The task is gone: its number means nothing to the clients any more.
  void forget();

 private:
  std::vector<Listener> all_;
};

}  // namespace nacelle
