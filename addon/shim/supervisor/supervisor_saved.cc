#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

#include "../modes/executable.h"
#include "../wire/saved.h"
#include "supervisor.h"

// The parts of Client and Supervisor that pass them on to the shim which takes over.
namespace nacelle {

void Client::save(Saved& to) const {
  to.fd("socket", socket_.get());
  if (!table_.empty()) to.text("table", table_);
}

void Client::find(const Found& found, const std::string& table) {
  table_ = found.text("table");
  if (table_.empty()) table_ = table;
  translation_.read(table_);
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
  to.text("runtime dir", runtime_dir_).text("owner", owner_).number("generation", generation_).number("next key", next_key_);
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
}

int Supervisor::find(Found& found, int error) {
  runtime_dir_ = found.text("runtime dir");
  owner_ = found.text("owner");
  generation_ = static_cast<uint32_t>(found.number("generation")) + (error == 0 ? 1 : 0);
  next_key_ = static_cast<uint32_t>(found.number("next key"));
  keeps_journal_ = found.number("keeps journal") != 0;
  has_served_ = found.number("has served") != 0;
  int result = find_files(found);
  Client* asker = nullptr;
  if (result == 0) result = find_tasks(found, asker);
  if (result < 0) return result;
  Message message = upgraded_event(error, error == 0 ? "" : "the newer shim could not go on");
  message.id = static_cast<uint32_t>(found.number("asker id"));
  if (asker != nullptr) asker->send(std::move(message));
  return 0;
}

int Supervisor::find_files(Found& found) {
  int result = loop_.open();
  if (result == 0) result = open_executable(executable_);
  if (result == 0) result = reserve_.fill();
  if (result < 0) return result;
  lock_ = found.fd("lock");
  listening_ = found.fd("listening");
  if (!lock_ || !listening_ || runtime_dir_.empty() || owner_.empty()) return -EPROTO;
  result = watch_signals();
  if (result < 0) return result;
  return listening_watch_.start(loop_, listening_.get(), EPOLLIN, [this](uint32_t) { accept_others(); });
}

int Supervisor::find_tasks(Found& found, Client*& asker) {
  const std::string table = found.text("table");
  Translation translation;
  translation.read(table);
  std::vector<Client*> clients;
  for (const Found& item : found.list("clients")) {
    Client* const client = add_client(item.fd("socket"));
    if (client == nullptr) return -EBADF;
    clients.push_back(client);
    client->find(item, table);
  }
  int result = 0;
  for (Found& item : found.list("tasks")) {
    const auto key = static_cast<uint32_t>(item.number("key"));
    auto task = std::make_unique<Task>(*this, Listener{}, key);
    Task* const raw = task.get();
    tasks_[raw] = std::move(task);
    result = std::min(result, raw->find(item, translation, clients));
  }
  for (Found& item : found.list("notices")) notices_.find(item, clients);
  const uint64_t number = found.number("asker", clients.size());
  if (number < clients.size()) asker = clients[number];
  return found.are_whole() ? result : -EPROTO;
}

}  // namespace nacelle
