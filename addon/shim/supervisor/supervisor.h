#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "../kernel/loop.h"
#include "../modes/closer_process.h"
#include "../modes/relays_inside.h"
#include "../modes/served_names.h"
#include "../modes/served_pasta.h"
#include "../modes/served_relay.h"
#include "../modes/watchdog_process.h"
#include "../wire/message.h"
#include "client.h"
#include "notices.h"
#include "reserve.h"
#include "task.h"
#include "upgrade.h"

namespace nacelle {

// What a shim is told when it begins.
struct Beginning {
  const char* runtime_dir;
  const char* owner;
  // Processes that come later may connect too, by a socket in the runtime folder.
  bool found_by_others;
  // This process is root of a user namespace, which its clients are not in.
  bool is_mapped;
};

// The shim: clients, tasks, and the children of all of them.
class Supervisor {
 public:
  // `control` brings new clients, and its end of file is Node's end. 0 or -errno.
  int start(unique_fd control, const Beginning& beginning);
  int run() { return loop_.run(); }
  // What start() has made goes: nobody hears that this shim serves, or it can't.
  void give_up();

  // Instead of start(): goes on as the shim before did. `error`: why a newer one could not, or 0. 0 or -errno.
  int find(const Found& found, int error);
  // Tells whoever asked for the newer shim, once it or the older one goes on.
  void answer_upgrade(int error);
  void save(Saved& to, const Listener& asker) const;
  // Nothing is under way that another shim could not go on with.
  bool is_settled() const;
  // Ends what can be ended of that: a check of health, and clients that have begun to send and do not go on.
  void press_on();
  bool is_detached() const { return listening_ && !control_; }
  // How many shims this process was before.
  uint32_t generation() const { return generation_; }

  Loop& loop() { return loop_; }
  // The shim's own executable, for children: see modes/init.h.
  int executable() const { return executable_.get(); }
  Reserve& reserve() { return reserve_; }
  ServedNames& names() { return names_; }
  ServedRelay& relay() { return relay_; }
  RelaysInside& relays_inside() { return relays_inside_; }
  ServedPasta& pasta() { return pasta_; }
  Closers& closers() { return closers_; }
  Notices& notices() { return notices_; }
  Upgrade& upgrade() { return upgrade_; }
  Task* new_task(const Listener& starter);
  // The tasks that other clients may attach to.
  std::vector<Task*> kept_tasks() const;
  // How many there are.
  size_t tasks() const { return tasks_.size(); }
  const std::string& owner() const { return owner_; }
  bool serves_others() const { return static_cast<bool>(listening_); }
  void remove(Task* task);
  void remove(Client* client);
  bool has_open_clients() const;
  // Something could not be undone: the files of this owner must outlive the shim, for the next reap().
  void keep_journal() { keeps_journal_ = true; }
  // Whether `pid` is a child of the shim that no task knows yet.
  bool is_unknown_child(pid_t pid) const;
  void watch_process(pid_t pid, Task* task) { processes_[pid] = task; }
  // Has the process of this pidfd, which its task says is watched, end with the shim. 0 or -errno.
  int keep_watch(int pidfd);
  // Its end is nothing to its task any more.
  void forget_process(pid_t pid) { processes_.erase(pid); }

 private:
  int lock_owner();
  std::string container_folder() const;
  void remove_owner();
  void control_ready();
  int listen_for_others();
  void accept_others();
  void add_client(unique_fd socket);
  void end_with_clients();
  int watch_signals();
  void rest_when_idle();
  int find_files(const Found& found);
  int find_tasks(const Found& found);
  void reap();
  int watch_all();
  void keep_all_watched();
  void watch_all_later();
  void give_back_memory();
  void stop_when_done();

  Loop loop_;
  unique_fd control_, signals_, lock_, executable_, listening_;
  Reserve reserve_;
  Notices notices_;
  Watchdog watchdog_;
  Closers closers_{loop_, executable_};
  ServedNames names_{loop_};
  ServedRelay relay_{loop_};
  RelaysInside relays_inside_{loop_};
  ServedPasta pasta_{loop_};
  Timer watch_again_;
  Upgrade upgrade_{*this};
  Listener asker_;  // for answer_upgrade()
  std::string runtime_dir_, owner_;
  std::string peers_map_;  // the uid_map of those who may connect; '': they are in this process's user namespace
  bool keeps_journal_ = false, has_served_ = false;
  Watch control_watch_, signal_watch_, listening_watch_;
  uint32_t next_key_ = 1, generation_ = 0;
  std::unordered_map<Client*, std::unique_ptr<Client>> clients_;
  std::unordered_map<Task*, std::unique_ptr<Task>> tasks_;
  size_t most_tasks_ = 0;  // at once, since memory was given back
  std::unordered_map<pid_t, Task*> processes_;
};

}  // namespace nacelle
