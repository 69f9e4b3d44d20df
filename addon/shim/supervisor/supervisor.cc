#include "supervisor.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "../kernel/syscalls.h"
#include "../layer/remove_tree.h"
#include "../modes/executable.h"
#include "../steps/shim_table.h"
#include "peer.h"

namespace nacelle {
namespace {

constexpr size_t kMostUnasked = 256;

// Whether a message tells of a next run, or of the health, of a task: there is no end of them, and nobody asked.
bool is_unasked(const Message& message) {
  const auto type = static_cast<Event>(message.type);
  return type == Event::kDied || type == Event::kHealth;
}

}  // namespace

int Client::start() {
  return watch_.start(supervisor_.loop(), socket_.get(), EPOLLIN, [this](uint32_t events) { ready(events); });
}

void Client::ready(uint32_t events) {
  if ((events & EPOLLOUT) != 0) flush();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  for (;;) {
    Message message;
    const int result = receive(socket_.get(), message);
    if (result == -EAGAIN) return;
    if (result <= 0) return close();
    dispatch(message);
  }
}

void Client::dispatch(Message& message) {
  const auto type = static_cast<Request>(message.type);
  if (introduce(message)) return;
  if (type == Request::kDescriptors) {
    // a descriptor that is missing is noticed when the plan comes
    for (unique_fd& fd : message.fds) ahead_[message.id].push_back(std::move(fd));
    return;
  }
  std::vector<unique_fd> fds;
  if (const auto ahead = ahead_.find(message.id); ahead != ahead_.end()) {
    fds = std::move(ahead->second);
    ahead_.erase(ahead);
  }
  translate(message);
  const auto known = tasks_.find(message.id);
  if (type == Request::kStart || type == Request::kStartLater) {
    if (known != tasks_.end()) return;
    Task* task = supervisor_.new_task({this, message.id});
    tasks_[message.id] = task;
    return task->start(message, std::move(fds), type == Request::kStartLater);
  }
  if (known == tasks_.end()) return;  // the task ended while the message was under way; Node will hear of that
  switch (type) {
    case Request::kGo:
      return known->second->go();
    case Request::kRest:
      return known->second->rest(message, std::move(fds));
    case Request::kRelease:
      return known->second->release();
    case Request::kCall:
      return known->second->call({this, message.id}, message, std::move(fds));
    case Request::kKill:
      return known->second->kill({this, message.id}, message);
    case Request::kClose:
      return known->second->close();
    case Request::kAgain:
      return known->second->again(message);
    case Request::kStatus:
      return known->second->status({this, message.id}, message);
    case Request::kTell:
      return known->second->tell(message);
    case Request::kStart:
    case Request::kStartLater:
    case Request::kDescriptors:
    case Request::kHello:
    case Request::kList:
    case Request::kAttach:
    case Request::kWatch:
    case Request::kSpeak:
    case Request::kUpgrade:
      return;
  }
}

bool Client::introduce(Message& message) {
  Message reply;
  reply.id = message.id;
  Writer writer(reply.body);
  switch (static_cast<Request>(message.type)) {
    case Request::kHello:
      reply.type = static_cast<uint16_t>(Event::kWelcome);
      writer.u32(kProtocolVersion).u32(kProtocolVersion).str(supervisor_.owner().c_str()).str(kOwnVersion);
      writer.bytes(kOwnTable, std::strlen(kOwnTable)).u32(supervisor_.generation());
      break;
    case Request::kList: {
      const std::vector<Task*> tasks = supervisor_.kept_tasks();
      reply.type = static_cast<uint16_t>(Event::kListed);
      writer.u32(static_cast<uint32_t>(tasks.size()));
      for (const Task* task : tasks) {
        writer.u32(task->key()).u8(static_cast<uint8_t>(task->state())).num(static_cast<uint64_t>(task->pid()));
      }
      break;
    }
    case Request::kAttach:
      return attach(message), true;
    case Request::kSpeak:
      // a table that is no more, since another shim has taken over just now
      if (Reader(message.body.data(), message.body.size()).u32() != supervisor_.generation()) return close(), true;
      table_.clear();
      return true;
    case Request::kUpgrade:
      return supervisor_.upgrade().ask({this, message.id}, message), true;
    case Request::kWatch:
      supervisor_.notices().watch({this, message.id}, Reader(message.body.data(), message.body.size()).num(), supervisor_.kept_tasks());
      return true;
    default:
      return false;
  }
  send(std::move(reply));
  return true;
}

// A message that can't be read is left to those who refuse it.
void Client::translate(Message& message) const {
  if (table_.empty()) return;
  switch (static_cast<Request>(message.type)) {
    case Request::kStart:
    case Request::kStartLater:
    case Request::kRest:
      if (!translation_.plan(message.body.data(), message.body.size())) message.body.clear();
      return;
    case Request::kCall:
      if (!translation_.call(message.body.data(), message.body.size())) message.body.resize(sizeof(uint32_t));
      return;
    default:
      return;
  }
}

void Client::attach(const Message& message) {
  const uint32_t key = Reader(message.body.data(), message.body.size()).u32();
  for (Task* task : supervisor_.kept_tasks()) {
    if (task->key() != key || tasks_.count(message.id) != 0) continue;
    tasks_[message.id] = task;
    return task->attach({this, message.id});
  }
  Message reply = not_attached_event();
  reply.id = message.id;
  send(std::move(reply));
}

void Client::send(Message message) {
  if (closed_) return;
  // A client that does not read would be owed ever more of them. One whose tasks would end with it is not given up.
  if (unsent_.size() >= kMostUnasked && is_unasked(message) && supervisor_.serves_others()) return give_up();
  unsent_.push_back(std::move(message));
  if (unsent_.size() == 1) flush();
}

void Client::send_notice(Message notice) {
  constexpr size_t kMostUnsent = 256;
  const auto is_notice = [](const Message& item) { return item.type == static_cast<uint16_t>(Event::kNotice); };
  const auto oldest = unsent_.size() < kMostUnsent ? unsent_.end() : std::find_if(unsent_.begin(), unsent_.end(), is_notice);
  if (oldest != unsent_.end()) {
    const auto next = std::find_if(std::next(oldest), unsent_.end(), is_notice);
    Notices::count_lost(*oldest, next == unsent_.end() ? notice : *next);
    unsent_.erase(oldest);
  }
  send(std::move(notice));
}

void Client::flush() {
  while (!unsent_.empty()) {
    const int result = nacelle::send(socket_.get(), unsent_.front());
    if (result == -EAGAIN) {
      watch_.change(EPOLLIN | EPOLLOUT);
      return;
    }
    // Node would wait for ever for a message that got lost, so any failure ends the connection
    if (result < 0) return give_up();
    unsent_.pop_front();
  }
  watch_.change(EPOLLIN);
}

// The watch tells of the end, and the client is closed then.
void Client::give_up() {
  unsent_.clear();
  shutdown(socket_.get(), SHUT_RDWR);
}

void Client::close() {
  if (closed_) return;
  closed_ = true;
  watch_.stop();
  socket_.reset();
  supervisor_.notices().forget(*this);
  supervisor_.upgrade().forget(*this);
  std::vector<Task*> tasks;
  for (const auto& entry : tasks_) tasks.push_back(entry.second);
  tasks_.clear();
  for (Task* task : tasks) task->leave(*this);
  supervisor_.remove(this);
}

int Supervisor::start(unique_fd control, const char* runtime_dir, const char* owner, bool found_by_others) {
  // this comes first: the socket must stay open, since main() reports a failure through it
  control_ = std::move(control);
  int result = loop_.open();
  if (result < 0) return result;
  runtime_dir_ = runtime_dir;
  owner_ = owner;
  result = open_executable(executable_);
  if (result < 0) return result;
  result = reserve_.fill();
  if (result < 0) return result;
  result = lock_owner();
  if (result == 0 && found_by_others) result = listen_for_others();
  if (result < 0) return result;

  result = watch_signals();
  if (result < 0) return result;
  return control_watch_.start(loop_, control_.get(), EPOLLIN, [this](uint32_t) { control_ready(); });
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
  for (const char* folder : {"/records", "/containers", "/names", ""}) rmdir((runtime_dir_ + folder).c_str());
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

void Supervisor::accept_others() {
  for (;;) {
    unique_fd socket(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;  // nobody waits, or there is no room now: the watch tells again
    if (is_own_kind(socket.get())) add_client(std::move(socket));
  }
}

// nullptr when the client could not be added.
Client* Supervisor::add_client(unique_fd socket) {
  auto client = std::make_unique<Client>(*this, std::move(socket));
  Client* raw = client.get();
  clients_[raw] = std::move(client);
  if (raw->start() == 0) return raw;
  clients_.erase(raw);
  return nullptr;
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
        if (entry.first->setting_up()) entry.first->read_channel();
      }
      known = processes_.find(info.si_pid);
    }
    if (known == processes_.end()) {
      waitpid(info.si_pid, nullptr, __WALL);
      continue;
    }
    Task* task = known->second;
    processes_.erase(known);
    task->process_ended(info.si_pid);
  }
}

bool Supervisor::is_unknown_child(pid_t pid) const {
  siginfo_t info{};
  return pid > 0 && processes_.count(pid) == 0 && sys_waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, nullptr) == 0;
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
  return raw;
}

void Supervisor::remove(Task* task) {
  if (task->is_kept()) has_served_ = true;
  loop_.later([this, task] {
    // a process of a call's `remove_tree` may still run: nobody waits for its end any more
    for (auto process = processes_.begin(); process != processes_.end();)
      process = process->second == task ? processes_.erase(process) : ++process;
    tasks_.erase(task);
    stop_when_done();
  });
}

void Supervisor::remove(Client* client) {
  loop_.later([this, client] {
    clients_.erase(client);
    stop_when_done();
  });
}

void Supervisor::stop_when_done() {
  // the shim of a container that was removed has nothing more to say to those who are still connected
  // nor to those who only watch
  const bool has_clients = clients_.size() > notices_.watchers() && !has_served_;
  if (control_ || has_clients || !tasks_.empty()) return;
  if (!keeps_journal_) remove_owner();
  loop_.stop();
}

}  // namespace nacelle
