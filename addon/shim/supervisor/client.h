#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../steps/shim_table.h"
#include "../wire/message.h"
#include "pool.h"

namespace nacelle {

class Found;
class Saved;
class Supervisor;
class Task;

// The socket of one environment of Node (its main thread, or a Worker), and the tasks that live with it.
class Client {
 public:
  Client(Supervisor& supervisor, unique_fd socket);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  int start();
  void send(Message message);
  // As send(), but of too many that the client has not read the oldest makes way.
  void send_notice(Message notice);
  void forget(uint32_t id) { tasks_.erase(id); }
  void know(uint32_t id, Task* task) { tasks_[id] = task; }
  // For a task that the shim begins by itself: the client's own numbers are below.
  uint32_t next_number() { return next_number_++; }
  void forget_pool(uint32_t id);
  // No descriptor is on its way to the client or from it, but for what the socket holds.
  bool is_settled() const;
  bool is_closed() const { return closed_; }
  void save(Saved& to) const;
  // A client of the shim before; `table` and `generation`: that shim's. 0 or -errno.
  int find(const Found& found, const std::string& table, uint32_t generation);
  // Ends the connection, since messages are lost.
  void give_up();

 private:
  void ready(uint32_t events);
  void dispatch(Message& message);
  // The messages that concern no task of this client yet. False for any other.
  bool introduce(Message& message);
  void attach(const Message& message);
  // The messages that concern a pool. False for any other.
  bool pool(Message& message, std::vector<unique_fd>& ahead);
  // Makes the plan or the steps in a message ours.
  void translate(Message& message) const;
  // Whether the table of the shim of that generation is the one that the client speaks from now on.
  bool speaks(uint32_t generation);
  bool counts_in(Message& message);
  void send_ahead(Message& message);
  void flush();
  void hear_of_room(bool wanted);
  void close();

  Supervisor& supervisor_;
  unique_fd socket_;
  Watch watch_;
  Timer again_;    // until there is room for a message again
  int tries_ = 0;  // for the message that is the next to go
  std::unordered_map<uint32_t, Task*> tasks_;
  std::unordered_map<uint32_t, std::unique_ptr<Pool>> pools_;
  uint32_t next_number_ = 1U << 31;
  std::unordered_map<uint32_t, std::vector<unique_fd>> ahead_;  // descriptors that came before their message
  std::list<Message> unsent_;
  std::string table_;  // that the client's plans are written with; '': ours
  Translation translation_;
  uint32_t generation_;  // of the shim whose table it is
  uint32_t lost_denials_ = 0;
  bool closed_ = false;
  bool hears_of_room_ = false;
};

}  // namespace nacelle
