#include "supervisor.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "../kernel/file_io.h"
#include "../kernel/syscalls.h"
#include "../layer/remove_tree.h"
#include "../modes/executable.h"
#include "host_steps.h"
#include "peer.h"

// where the code begins and ends, as the linker says
extern "C" char __executable_start, etext;

namespace nacelle {
namespace {

// Removes the empty folders in a folder: one for each network namespace, with members' files (names/member.h).
void remove_empty_below(const std::string& path) {
  Folder folder(unique_fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!folder.opened()) return;
  while (const char* name = folder.next()) unlinkat(folder.fd(), name, AT_REMOVEDIR);
}

}  // namespace

int Supervisor::start(unique_fd control, const Beginning& beginning) {
  // this comes first: the socket must stay open, since main() reports a failure through it
  control_ = std::move(control);
  int result = loop_.open();
  if (result < 0) return result;
  runtime_dir_ = beginning.runtime_dir;
  owner_ = beginning.owner;
  if (beginning.is_mapped && beginning.found_by_others) result = read_peers_map(control_.get(), peers_map_);
  if (result < 0) return result;
  result = open_executable(executable_);
  if (result < 0) return result;
  result = reserve_.fill();
  if (result < 0) return result;
  result = lock_owner();
  if (beginning.found_by_others) rest_when_idle();
  if (result == 0 && beginning.found_by_others) result = listen_for_others();
  if (result < 0) return result;

  relay_.when_refused([this](uint64_t id, const egress::Refusal& refusal) {
    const auto is_meant = [id](const auto& entry) { return entry.first->key() == id; };
    const auto found = std::find_if(tasks_.begin(), tasks_.end(), is_meant);
    if (found != tasks_.end()) found->first->refused(refusal);
  });
  result = watch_signals();
  if (result < 0) return result;
  return control_watch_.start(loop_, control_.get(), EPOLLIN, [this](uint32_t) { control_ready(); });
}

// A shim of a detached container lives long, beside many others, and rests for most of that time: its code, most of its memory, is read
// again from the file's pages when it goes on.
void Supervisor::rest_when_idle() {
  loop_.when_idle([] {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const auto size = static_cast<size_t>(&etext - &__executable_start) / page * page;
    static_cast<void>(madvise(&__executable_start, size, MADV_DONTNEED));
  });
}

int Supervisor::watch_signals() {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  if (sigprocmask(SIG_BLOCK, &child, nullptr) < 0) return -errno;
  signals_.reset(signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return -errno;
  return signal_watch_.start(loop_, signals_.get(), EPOLLIN, [this](uint32_t) { reap(); });
}

// The file has another name until it is locked: a process that reaps would take an unlocked file for a dead owner's. It also removes a file
// with that other name that nobody has locked, which may be this one: then this tries again.
int Supervisor::lock_owner() {
  const std::string folder = runtime_dir_ + "/owners";
  const std::string file = folder + "/" + owner_;
  const std::string unlocked = file + ".new";
  // a shim that ends may remove the empty folders just now, and many may be ending
  for (int tries = 0; tries < 10000; ++tries) {
    if (mkdir(runtime_dir_.c_str(), 0700) < 0 && errno != EEXIST) return -errno;
    int result = checked_int(mkdir(folder.c_str(), 0700));
    if (result == 0 || result == -EEXIST) {
      result = opened(checked_int(open(unlocked.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)), lock_);
    }
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (result == 0) result = checked_int(fcntl(lock_.get(), F_SETLK, &lock));
    if (result == 0) result = checked_int(rename(unlocked.c_str(), file.c_str()));
    if (result == 0) return 0;
    if (result != -EEXIST) unlink(unlocked.c_str());
    if (result != -ENOENT && result != -EAGAIN) return result;
  }
  return -ENOENT;
}

// Removes this owner's files, and the folders when it was the last owner. A shim that starts meanwhile makes them again. The file by which
// whoever reaps finds this owner goes last.
void Supervisor::remove_owner() {
  if (listening_) layer::remove_tree(AT_FDCWD, container_folder().c_str());
  // a record that is left is of a thing that was never made: Node ended after writing the record and before making the thing
  layer::remove_tree(AT_FDCWD, (runtime_dir_ + "/records/" + owner_).c_str());
  unlink((runtime_dir_ + "/owners/" + owner_).c_str());
  // other owners may be about to put something into the folders that are empty
  if (rmdir((runtime_dir_ + "/owners").c_str()) < 0) return;
  remove_empty_below(runtime_dir_ + "/members");
  for (const char* folder : {"/members", "/records", "/containers", "/names", "/ids", "/networks", ""})
    rmdir((runtime_dir_ + folder).c_str());
}

// The owner of a detached container is called as the container is.
std::string Supervisor::container_folder() const { return runtime_dir_ + "/containers/" + owner_; }

// Makes the container's folder, and the socket in it. The socket's path may be longer than an address takes, so it is named by way of the
// folder's descriptor.
int Supervisor::listen_for_others() {
  const std::string above = runtime_dir_ + "/containers";
  const std::string path = container_folder();
  int made = -ENOENT;
  // the last container that ends removes the empty folder above
  for (int tries = 0; tries < 10000 && made == -ENOENT; ++tries) {
    if (mkdir(above.c_str(), 0700) < 0 && errno != EEXIST && errno != ENOENT) return -errno;
    made = checked_int(mkdir(path.c_str(), 0700));
  }
  if (made < 0) return made;
  const unique_fd folder(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return -errno;
  listening_.reset(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listening_) return -errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/shim.sock", folder.get());
  if (bind(listening_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return -errno;
  if (fchmodat(folder.get(), "shim.sock", 0600, 0) < 0 || listen(listening_.get(), SOMAXCONN) < 0) return -errno;
  return listening_watch_.start(loop_, listening_.get(), EPOLLIN, [this](uint32_t) { accept_others(); });
}

void Supervisor::give_up() {
  if (lock_) remove_owner();
}

void Supervisor::accept_others() {
  for (;;) {
    unique_fd socket(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;  // nobody waits, or there is no room now: the watch tells again
    if (is_own_kind(socket.get(), peers_map_)) add_client(std::move(socket));
  }
}

void Supervisor::add_client(unique_fd socket) {
  auto client = std::make_unique<Client>(*this, std::move(socket));
  Client* raw = client.get();
  clients_[raw] = std::move(client);
  if (raw->start() < 0) clients_.erase(raw);
}

void Supervisor::control_ready() {
  for (;;) {
    Message message;
    const int result = receive(control_.get(), message);
    if (result == -EAGAIN) return;
    if (result <= 0) {
      control_watch_.stop();
      control_.reset();
      return stop_when_done();
    }
    for (unique_fd& fd : message.fds) add_client(std::move(fd));
  }
}

// Looks at a child that ended before reaping it: one that no task knows yet may be a task's next stage, whose message is still in the
// channel. Any other is an orphan of a container, which came to the shim because it is a subreaper.
void Supervisor::reap() {
  signalfd_siginfo ignored[16];
  while (read(signals_.get(), ignored, sizeof ignored) > 0) {}
  for (;;) {
    siginfo_t info{};
    if (sys_waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, nullptr) < 0 || info.si_pid == 0) return;
    auto known = processes_.find(info.si_pid);
    if (known == processes_.end()) {
      for (const auto& entry : tasks_) {
        if (entry.first->setting_up()) entry.first->stranger_ended(info);
      }
      known = processes_.find(info.si_pid);
    }
    if (known == processes_.end()) {
      waitpid(info.si_pid, nullptr, __WALL);
      if (info.si_pid == names_.pid()) names_.ended();
      if (relay_.has(info.si_pid)) relay_.ended(info.si_pid);
      relays_inside_.ended(info.si_pid);
      if (pasta_.has(info.si_pid)) pasta_.ended(info.si_pid);
      closers_.ended(info.si_pid, info.si_code == CLD_EXITED);
      if (info.si_pid != watchdog_.pid()) continue;
      watchdog_.forget();
      // one that exits can't work, and may do so again
      if (info.si_code == CLD_EXITED) {
        watch_all_later();
      } else {
        keep_all_watched();
      }
      continue;
    }
    Task* task = known->second;
    processes_.erase(known);
    task->process_ended(info.si_pid);
  }
}

// A new watchdog knows of none of the processes before.
int Supervisor::keep_watch(int pidfd) {
  if (watchdog_.pid() == 0) return watch_all();
  const int result = watchdog_.watch(executable(), pidfd);
  if (result != -EPIPE && result != -ECONNRESET) return result;
  watchdog_.forget();
  return watch_all();
}

// Has one watchdog know all of them: after a failure another one has to begin with the first.
int Supervisor::watch_all() {
  for (const auto& entry : tasks_) {
    const int pidfd = entry.first->watched();
    const int result = pidfd < 0 ? 0 : watchdog_.watch(executable(), pidfd);
    if (result == 0) continue;
    watchdog_.forget();
    return result;
  }
  return 0;
}

void Supervisor::keep_all_watched() {
  if (watch_all() < 0) watch_all_later();
}

void Supervisor::watch_all_later() {
  constexpr uint64_t kPause = 100 * kMillisecond;
  watch_again_.start(loop_, monotonic_ns() + kPause, [this] {
    if (watchdog_.pid() == 0) keep_all_watched();
  });
}

bool Supervisor::is_unknown_child(pid_t pid) const {
  siginfo_t info{};
  return pid > 0 && pid != watchdog_.pid() && !closers_.has(pid) && pid != names_.pid() && !relay_.has(pid) && !relays_inside_.has(pid) &&
         !pasta_.has(pid) && processes_.count(pid) == 0 &&
         sys_waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, nullptr) == 0;
}

std::vector<Task*> Supervisor::kept_tasks() const {
  std::vector<Task*> kept;
  for (const auto& entry : tasks_) {
    if (entry.first->is_kept()) kept.push_back(entry.first);
  }
  return kept;
}

Task* Supervisor::new_task(const Listener& starter) {
  auto task = std::make_unique<Task>(*this, starter, next_key_++);
  Task* raw = task.get();
  tasks_[raw] = std::move(task);
  most_tasks_ = std::max(most_tasks_, tasks_.size());
  return raw;
}

void Supervisor::remove(Task* task) {
  if (task->is_kept()) has_served_ = true;
  loop_.later([this, task] {
    // a process of a call's `remove_tree` may still run: nobody waits for its end any more
    for (auto process = processes_.begin(); process != processes_.end();)
      process = process->second == task ? processes_.erase(process) : ++process;
    tasks_.erase(task);
    give_back_memory();
    stop_when_done();
  });
}

// malloc(3) keeps what many tasks needed at once, so this gives back what is free when most of them have gone.
void Supervisor::give_back_memory() {
  constexpr size_t kMany = 64, kPart = 8;
  if (most_tasks_ < kMany || tasks_.size() * kPart > most_tasks_) return;
  most_tasks_ = tasks_.size();
  malloc_trim(0);
}

void Supervisor::remove(Client* client) {
  loop_.later([this, client] {
    clients_.erase(client);
    // one that waits to be let in is a client already: its connect(2) has succeeded
    if (listening_ && !has_open_clients()) accept_others();
    if (!has_open_clients()) end_with_clients();
    stop_when_done();
  });
}

// Ends the tasks that live as long as there is a client. Whoever connects from now on finds nobody.
void Supervisor::end_with_clients() {
  bool ends = false;
  for (const auto& entry : tasks_) ends = entry.first->leave_last() || ends;
  if (!ends || !listening_) return;
  listening_watch_.stop();
  unlink((container_folder() + "/shim.sock").c_str());
}

bool Supervisor::has_open_clients() const {
  return std::any_of(clients_.begin(), clients_.end(), [](const auto& entry) { return !entry.first->is_closed(); });
}

void Supervisor::stop_when_done() {
  // the shim of a container that was removed has nothing more to say to those who are still connected
  // nor to those who only watch
  const bool has_clients = clients_.size() > notices_.watchers() && !has_served_;
  if (control_ || has_clients || !tasks_.empty()) return;
  // whoever waits for this shim's end finds no mount of its runs
  if (!closers_.end(kDeathPatience, [this] { stop_when_done(); })) return;
  if (!keeps_journal_) remove_owner();
  loop_.stop();
}

}  // namespace nacelle
