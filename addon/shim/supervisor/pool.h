#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "../wire/message.h"
#include "../wire/secret.h"
#include "host_steps.h"

namespace nacelle {

class Client;
class Supervisor;
class Task;

// Processes that are made before they are asked for: some wait for the rests of their plans. When the rest of one comes, another takes its
// place, a little later. All have one first part, in which the name alone is another for each; or each has one of its own, of which some
// lie here until they are begun.
class Pool {
 public:
  // `id`: the number by which the client asks for it.
  Pool(Supervisor& supervisor, Client& client, uint32_t id) : supervisor_(supervisor), client_(client), id_(id) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  // Keeps the first part, if there is one for all, and the descriptors that belong to it, and begins.
  void start(Message& message, std::vector<unique_fd> ahead);
  // Keeps a first part for one process.
  void add(Message& message, std::vector<unique_fd> ahead);
  // Begins those that are missing, also after one has failed. As many are to wait as the message says, if it does.
  void fill(const Message& message);
  // Undoes those that wait; those that have their rest go on.
  void close();
  // The client waits for no run any more: it hears when those that waited have gone, with the mounts of all runs that have ended until now.
  void release();

 private:
  enum class Place { kBegun, kWaits, kTaken };
  // A process of the pool.
  struct Made {
    Place place;
    std::string name;
  };
  // The first part of one process, or of all.
  struct Part {
    std::string name;
    Secret body;
    std::vector<unique_fd> fds;
  };
  static int read_part(Message& message, Reader& reader, std::vector<unique_fd> ahead, Part& part);
  void fill();
  size_t count(Place place) const;
  size_t untaken() const { return tasks_.size() - count(Place::kTaken); }
  void begin_later(uint64_t pause_ns);
  void begin_after_run(uint64_t pause_ns);
  void begin();
  bool next_part(std::string& name, Message& message);
  void renamed_copy(std::string& name, Message& message) const;
  void begin_task(const std::string& name, Message& message);
  void waits(Task& task, uint32_t number);
  void taken(Task& task);
  void started();
  void ended(Task& task);
  // None is begun any more until the client asks.
  void fail(const StepFailure& failure);
  // Tells of one that nobody has taken, and nobody can take any more. `failure`: why it could not be made, or has not stayed.
  void tell_spent(const std::string& name, bool has_begun, const StepFailure* failure = nullptr,
                  const std::vector<StepFailure>& undo_failures = {});
  void tell(Message message);
  void tell_when_closed();
  bool are_mounts_gone() const;

  Supervisor& supervisor_;
  Client& client_;
  const uint32_t id_;
  uint32_t wanted_ = 0;
  Part first_;                   // of all; a file of the caller's may be in it
  std::vector<size_t> name_at_;  // where the name stands in the first part
  std::deque<Part> parts_;       // of one each
  std::unordered_map<Task*, Made> tasks_;
  Timer next_;
  bool has_failed_ = false, is_closing_ = false, is_released_ = false, is_told_ = false;
  uint64_t mounts_ = 0, deadline_ns_ = 0;  // of release(): how many had been given to the closers, and how long they are waited for
};

}  // namespace nacelle
