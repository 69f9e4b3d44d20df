#include "served_pasta.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "pasta_process.h"

namespace nacelle {

int ServedPasta::start(uint64_t id, PastaService service, unique_fd& said) {
  stop(id);
  auto served = std::make_unique<Served>();
  served->service = std::move(service);
  if (const int result = launch(*served); result < 0) return result;
  said.reset(fcntl(served->said.get(), F_DUPFD_CLOEXEC, 3));
  const int result = said ? 0 : -errno;
  served_.emplace(id, std::move(served));
  if (result < 0) stop(id);
  return result;
}

int ServedPasta::launch(Served& served) {
  const PastaService& service = served.service;
  const pid_t pid = start_pasta(service.path, service.arguments, service.network.get(), served.said);
  if (pid < 0) return pid;
  served.pid = pid;
  return 0;
}

int ServedPasta::keep(uint64_t id) {
  const auto found = served_.find(id);
  if (found == served_.end()) return -ENOENT;
  Served& served = *found->second;
  served.is_kept = true;
  if (served.pid == 0) return start_later(served), 0;
  return listen(served);
}

// Its pipe must never be full, since it would wait for whoever reads.
int ServedPasta::listen(Served& served) {
  const auto ready = [&served](uint32_t) {
    constexpr size_t kSome = 4096;
    std::string printed(kSome, '\0');
    const ssize_t size = read(served.said.get(), printed.data(), printed.size());
    if (size < 0) return;
    if (size == 0) return served.words.stop();
    printed.resize(static_cast<size_t>(size));
    if (read_pasta(printed).is_ready) served.pause.begin_anew();
  };
  return served.words.start(loop_, served.said.get(), EPOLLIN, ready);
}

void ServedPasta::start_later(Served& served) {
  served.again.start(loop_, monotonic_ns() + served.pause.next(), [this, &served] {
    if (launch(served) < 0) return start_later(served);
    // whom nobody hears has to make room for another
    if (listen(served) < 0) kill(served.pid, SIGKILL);
  });
}

// The number is still that process's: it is a child of the shim, and nobody else reaps it.
void ServedPasta::stop(uint64_t id) {
  const auto found = served_.find(id);
  if (found == served_.end()) return;
  if (const pid_t pid = found->second->pid; pid != 0) {
    kill(pid, SIGKILL);
    stopped_.insert(pid);
  }
  served_.erase(found);
}

bool ServedPasta::has(pid_t pid) const {
  const auto is_it = [pid](const auto& entry) { return entry.second->pid == pid; };
  return pid > 0 && (stopped_.count(pid) != 0 || std::any_of(served_.begin(), served_.end(), is_it));
}

void ServedPasta::ended(pid_t pid) {
  stopped_.erase(pid);
  for (const auto& entry : served_) {
    Served& served = *entry.second;
    if (served.pid != pid) continue;
    served.pid = 0;
    served.words.stop();
    if (served.is_kept) start_later(served);
  }
}

void ServedPasta::save(Saved& to) const {
  for (const auto& [id, served] : served_) {
    Saved item = to.inner();
    item.number("id", id).number("pid", static_cast<uint64_t>(served->pid)).text("path", served->service.path);
    item.fd("network", served->service.network.get()).fd("said", served->said.get());
    for (const std::string& argument : served->service.arguments) {
      Saved one = to.inner();
      one.text("argument", argument);
      item.add("arguments", one);
    }
    to.add("served", item);
  }
}

// Nothing is handed over while a container is set up, so all of them are kept.
void ServedPasta::find(const Found& found) {
  for (const Found& item : found.list("served")) {
    auto served = std::make_unique<Served>();
    served->service = {item.text("path"), {}, item.fd("network")};
    for (const Found& one : item.list("arguments")) served->service.arguments.push_back(one.text("argument"));
    served->said = item.fd("said");
    served->pid = static_cast<pid_t>(item.number("pid"));
    served->is_kept = true;
    Served& kept = *served;
    served_.emplace(item.number("id"), std::move(served));
    if (kept.pid == 0) {
      start_later(kept);
    } else if (listen(kept) < 0) {
      kill(kept.pid, SIGKILL);
    }
  }
}

}  // namespace nacelle
