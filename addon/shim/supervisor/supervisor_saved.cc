#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

#include "../modes/executable.h"
#include "../wire/saved.h"
#include "supervisor.h"

// The part of Supervisor that passes it on to the shim which takes over.
namespace nacelle {

void Supervisor::press_on() {
  for (const auto& entry : clients_) {
    if (!entry.first->is_settled()) entry.first->give_up();
  }
  std::vector<Task*> tasks;
  for (const auto& entry : tasks_) tasks.push_back(entry.first);
  for (Task* task : tasks) task->skip_check();
}

bool Supervisor::is_settled() const {
  return std::all_of(tasks_.begin(), tasks_.end(), [](const auto& entry) { return entry.first->is_settled(); }) &&
         std::all_of(clients_.begin(), clients_.end(), [](const auto& entry) { return entry.first->is_settled(); });
}

void Supervisor::save(Saved& to, const Listener& asker) const {
  std::unordered_map<const Client*, uint64_t> numbers;
  for (const auto& entry : clients_) {
    if (entry.first->is_closed()) continue;
    numbers.emplace(entry.first, numbers.size());
    Saved client = to.inner();
    entry.first->save(client);
    to.add("clients", client);
  }
  const auto number_of = [&numbers](const Client& client) { return numbers.at(&client); };
  to.text("runtime dir", runtime_dir_)
      .text("owner", owner_)
      .text("peers map", peers_map_)
      .number("generation", generation_)
      .number("next key", next_key_);
  to.number("keeps journal", keeps_journal_ ? 1 : 0).number("has served", has_served_ ? 1 : 0);
  to.fd("lock", lock_.get()).fd("listening", listening_.get());
  if (asker.client != nullptr) to.number("asker", number_of(*asker.client)).number("asker id", asker.id);
  for (const auto& entry : tasks_) {
    Saved task = to.inner();
    entry.first->save(task, number_of);
    to.add("tasks", task);
  }
  Saved notices = to.inner();
  notices_.save(notices, number_of);
  to.add("notices", notices);
  Saved names = to.inner();
  names_.save(names);
  to.add("names", names);
  Saved relay = to.inner();
  relay_.save(relay);
  to.add("relay", relay);
  Saved inside = to.inner();
  relays_inside_.save(inside);
  to.add("relays inside", inside);
  Saved pasta = to.inner();
  pasta_.save(pasta);
  to.add("pasta", pasta);
}

int Supervisor::find(const Found& found, int error) {
  runtime_dir_ = found.text("runtime dir");
  owner_ = found.text("owner");
  peers_map_ = found.text("peers map");
  generation_ = static_cast<uint32_t>(found.number("generation")) + (error == 0 ? 1 : 0);
  next_key_ = static_cast<uint32_t>(found.number("next key"));
  keeps_journal_ = found.number("keeps journal") != 0;
  has_served_ = found.number("has served") != 0;
  int result = find_files(found);
  return result == 0 ? find_tasks(found) : result;
}

void Supervisor::answer_upgrade(int error) {
  Message message = upgraded_event(error, error == 0 ? "" : "the newer shim could not go on");
  message.id = asker_.id;
  if (asker_.client != nullptr) asker_.client->send(std::move(message));
  asker_ = {};
}

int Supervisor::find_files(const Found& found) {
  int result = loop_.open();
  if (result == 0) result = open_executable(executable_);
  if (result < 0) return result;
  static_cast<void>(reserve_.fill());  // where there is no room now, a later loan fills it
  lock_ = found.fd("lock");
  listening_ = found.fd("listening");
  if (!lock_ || !listening_ || runtime_dir_.empty() || owner_.empty()) return -EPROTO;
  rest_when_idle();
  result = watch_signals();
  if (result < 0) return result;
  return listening_watch_.start(loop_, listening_.get(), EPOLLIN, [this](uint32_t) { accept_others(); });
}

int Supervisor::find_tasks(const Found& found) {
  const std::string table = found.text("table");
  Translation translation;
  translation.read(table);
  std::vector<Client*> clients;
  int result = 0;
  for (const Found& item : found.list("clients")) {
    auto client = std::make_unique<Client>(*this, item.fd("socket"));
    clients.push_back(client.get());
    clients_[client.get()] = std::move(client);
    result = std::min(result, clients.back()->find(item, table, static_cast<uint32_t>(found.number("generation"))));
  }
  for (const Found& item : found.list("tasks")) {
    const auto key = static_cast<uint32_t>(item.number("key"));
    auto task = std::make_unique<Task>(*this, Listener{}, key);
    Task* const raw = task.get();
    tasks_[raw] = std::move(task);
    result = std::min(result, raw->find(item, translation, clients));
  }
  keep_all_watched();
  for (const Found& item : found.list("names")) names_.find(item, executable());
  for (const Found& item : found.list("relay")) relay_.find(item, executable());
  for (const Found& item : found.list("relays inside")) relays_inside_.find(item, executable());
  for (const Found& item : found.list("pasta")) pasta_.find(item);
  for (const Found& item : found.list("notices")) notices_.find(item, clients);
  const uint64_t asker = found.number("asker", clients.size());
  if (asker < clients.size()) asker_ = {clients[asker], static_cast<uint32_t>(found.number("asker id"))};
  return found.are_whole() ? result : -EPROTO;
}

}  // namespace nacelle
