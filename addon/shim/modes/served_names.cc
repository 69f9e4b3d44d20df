#include "served_names.h"

#include <sys/epoll.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

namespace nacelle {
namespace {

using names::RequestKind;

constexpr char kResolvConf[] = "/etc/resolv.conf";
// So that neither side's socket is ever full.
constexpr size_t kMostUnanswered = 64;

// Whether a folder is not the one that is used. One that was removed may have left its number to the other.
bool is_another(int used, int folder) {
  struct stat own {
  }, other{};
  if (fstat(used, &own) < 0 || fstat(folder, &other) < 0) return true;
  return own.st_nlink == 0 || own.st_ino != other.st_ino || own.st_dev != other.st_dev;
}

}  // namespace

int ServedNames::serve(int executable, uint64_t id, NamesService service, unique_fd folder) {
  executable_ = executable;
  if (!folder_ || is_another(folder_.get(), folder.get())) {
    folder_ = std::move(folder);
    answers_.stop();
    // its socket is closed, so it ends, and the next one reads the other folder
    names_.forget();
  }
  stop(id);
  services_.emplace(id, std::move(service));
  if (pid() != 0) return ask({RequestKind::kServe, id}), 0;
  const int result = start();
  if (result < 0) services_.erase(id);
  // the others had a process before, which read the other folder
  if (result < 0 && !services_.empty()) start_later();
  return result;
}

int ServedNames::change(uint64_t id, bool forwards, std::vector<std::string> networks) {
  const auto found = services_.find(id);
  if (found == services_.end()) return -ENOENT;
  found->second.forwards = forwards;
  found->second.networks = std::move(networks);
  ask({RequestKind::kChange, id});
  return 0;
}

void ServedNames::stop(uint64_t id) {
  if (services_.erase(id) == 0) return;
  ask({RequestKind::kStop, id});
  end_idle_later();
}

void ServedNames::end_idle_later() {
  if (!services_.empty()) return;
  idle_.start(loop_, monotonic_ns() + kLinger, [this] {
    if (!services_.empty()) return;
    answers_.stop();
    // its socket is closed, so it ends
    names_.forget();
  });
}

void ServedNames::ended() {
  answers_.stop();
  names_.forget();
  if (!services_.empty()) start_later();
}

// Queries wait in their sockets meanwhile.
void ServedNames::start_later() {
  again_.start(loop_, monotonic_ns() + pause_.next(), [this] {
    if (pid() == 0 && !services_.empty() && start() < 0) start_later();
  });
}

int ServedNames::start() {
  int result = names_.start(executable_, folder_.get(), kResolvConf);
  if (result < 0) return result;
  requests_.clear();
  unanswered_ = 0;
  result = answers_.start(loop_, names_.control(), EPOLLIN, [this](uint32_t) { read_answers(); });
  if (result < 0) {
    // its socket is closed, so it ends
    names_.forget();
    return result;
  }
  for (const auto& entry : services_) ask({RequestKind::kServe, entry.first});
  return 0;
}

void ServedNames::ask(Request request) {
  if (pid() == 0) return;  // the next process is told of all services
  requests_.push_back(request);
  send_requests();
}

void ServedNames::send_requests() {
  while (!requests_.empty() && unanswered_ < kMostUnanswered) {
    const Request request = requests_.front();
    requests_.pop_front();
    if (request.kind != RequestKind::kStop && services_.count(request.id) == 0) continue;
    ++unanswered_;
    if (send(request) == 0) continue;
    // it has died, or there is no room now: the next process is told
    names_.kill();
    return;
  }
}

int ServedNames::send(const Request& request) {
  if (request.kind == RequestKind::kStop) return names_.stop(request.id);
  const NamesService& service = services_.at(request.id);
  if (request.kind == RequestKind::kChange) return names_.change(request.id, service.forwards, service.networks);
  return names_.serve(request.id, service.udp.get(), service.tcp.get(), service.forwards, service.networks);
}

void ServedNames::read_answers() {
  const bool goes_on = names_.read([this](const names::RequestAnswer& answer) {
    if (answer.id == 0) {
      if (answer.result == 0) pause_.begin_anew();
      return;
    }
    if (unanswered_ > 0) --unanswered_;
    // who can't be served hears that at once, and does not wait. ENOENT: what was to be stopped had never begun
    if (answer.result < 0 && answer.result != -ENOENT && services_.erase(answer.id) > 0) end_idle_later();
  });
  if (goes_on) return send_requests();
  // it has ended, or says what no such process would: the next one begins anew
  answers_.stop();
  names_.kill();
}

void ServedNames::save(Saved& to) const {
  to.fd("folder", folder_.get());
  for (const auto& [id, service] : services_) {
    Saved item = to.inner();
    item.number("id", id).number("forwards", service.forwards ? 1 : 0).fd("udp", service.udp.get()).fd("tcp", service.tcp.get());
    for (const std::string& network : service.networks) {
      Saved name = to.inner();
      name.text("name", network);
      item.add("networks", name);
    }
    to.add("services", item);
  }
}

void ServedNames::find(const Found& found, int executable) {
  executable_ = executable;
  folder_ = found.fd("folder");
  for (const Found& item : found.list("services")) {
    NamesService service{item.fd("udp"), item.fd("tcp"), item.number("forwards") != 0, {}};
    for (const Found& name : item.list("networks")) service.networks.push_back(name.text("name"));
    services_.emplace(item.number("id"), std::move(service));
  }
  if (!services_.empty() && start() < 0) start_later();
}

}  // namespace nacelle
