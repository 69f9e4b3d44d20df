#pragma once

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

// Processes that are made before they are asked for: of one first part of a plan, each with a name of its own, some wait for their rest.
// When the rest of one comes, another takes its place, a little later.
class Pool {
 public:
  // `id`: the number by which the client asks for it.
  Pool(Supervisor& supervisor, Client& client, uint32_t id) : supervisor_(supervisor), client_(client), id_(id) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  // Keeps the first part and the descriptors that belong to it, and begins.
  void start(Message& message, std::vector<unique_fd> ahead);
  // Begins those that are missing, also after one has failed.
  void fill();
  // Undoes those that wait; those that have their rest go on.
  void close();
  // The client waits for no run any more: it hears when those that waited have gone, with the mounts of all runs that have ended until now.
  void release();

 private:
  enum class Place { kBegun, kWaits, kTaken };
  size_t count(Place place) const;
  size_t untaken() const { return tasks_.size() - count(Place::kTaken); }
  void begin_later(uint64_t pause_ns);
  void begin_after_run(uint64_t pause_ns);
  void begin();
  void waits(Task& task, uint32_t number, const std::string& name);
  void taken(Task& task);
  void ended(Task& task);
  // None is begun any more until the client asks.
  void fail(const StepFailure& failure);
  void tell(Message message);
  void tell_when_closed();
  bool are_mounts_gone() const;

  Supervisor& supervisor_;
  Client& client_;
  const uint32_t id_;
  uint32_t wanted_ = 0;
  Secret first_;  // a file of the caller's may be in it
  std::string name_;
  std::vector<size_t> name_at_;  // where the name stands in the first part
  std::vector<unique_fd> fds_;
  std::unordered_map<Task*, Place> tasks_;
  Timer next_;
  bool has_failed_ = false, is_closing_ = false, is_released_ = false, is_told_ = false;
  uint64_t mounts_ = 0, deadline_ns_ = 0;  // of release(): how many had been given to the closers, and how long they are waited for
  std::vector<StepFailure> undo_failures_;
};

}  // namespace nacelle
