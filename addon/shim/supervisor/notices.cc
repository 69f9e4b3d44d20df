#include "notices.h"

#include <algorithm>
#include <cstring>

#include "../kernel/loop.h"
#include "../wire/saved.h"
#include "../wire/wire.h"
#include "supervisor.h"

namespace nacelle {
namespace {

// How much is remembered. A notice has some ten bytes, the end of a container a few thousand.
constexpr size_t kMemory = 32 * 1024;

std::string body_of(NoticeKind kind, uint32_t key, const std::string& body) {
  std::string notice;
  Writer writer(notice);
  writer.u32(0).u32(key).u8(static_cast<uint8_t>(kind)).num(realtime_ns()).bytes(body.data(), body.size());
  return notice;
}

Message notice_of(const std::string& body, const Listener& watcher) {
  Message message;
  message.type = static_cast<uint16_t>(Event::kNotice);
  message.id = watcher.id;
  message.body = body;
  return message;
}

// The number of lost notices is the first of a body.
void add_lost(const std::string& lost, std::string& next) {
  uint32_t before = 0;
  uint32_t count = 0;
  std::memcpy(&before, lost.data(), sizeof before);
  std::memcpy(&count, next.data(), sizeof count);
  count += before + 1;
  std::memcpy(next.data(), &count, sizeof count);
}

}  // namespace

void Notices::watch(const Listener& watcher, uint64_t since_ns, const std::vector<Task*>& there) {
  forget(*watcher.client);
  watchers_.push_back(watcher);
  for (const Task* task : there) {
    const std::string state(1, static_cast<char>(task->state()));
    watcher.client->send_notice(notice_of(body_of(NoticeKind::kThere, task->key(), state), watcher));
  }
  for (const Remembered& notice : remembered_) {
    if (notice.at_ns >= since_ns) watcher.client->send_notice(notice_of(notice.body, watcher));
  }
}

void Notices::forget(const Client& client) {
  const auto is_of = [&client](const Listener& item) { return item.client == &client; };
  watchers_.erase(std::remove_if(watchers_.begin(), watchers_.end(), is_of), watchers_.end());
}

void Notices::tell(NoticeKind kind, uint32_t key, const std::string& body) {
  std::string notice = body_of(kind, key, body);
  for (const Listener& watcher : watchers_) watcher.client->send_notice(notice_of(notice, watcher));
  remembered_bytes_ += notice.size();
  remembered_.push_back({monotonic_ns(), std::move(notice)});
  while (remembered_bytes_ > kMemory && remembered_.size() > 1) {
    remembered_bytes_ -= remembered_.front().body.size();
    add_lost(remembered_.front().body, remembered_[1].body);
    remembered_.pop_front();
  }
}

void Notices::save(Saved& to, const std::function<uint64_t(const Client&)>& number_of) const {
  for (const Listener& watcher : watchers_) {
    to.add("watchers", to.inner().number("client", number_of(*watcher.client)).number("id", watcher.id));
  }
  for (const Remembered& notice : remembered_) to.add("remembered", to.inner().number("at", notice.at_ns).text("body", notice.body));
}

void Notices::find(const Found& found, const std::vector<Client*>& clients) {
  for (const Found& item : found.list("watchers")) {
    const uint64_t number = item.number("client");
    if (number < clients.size()) watchers_.push_back({clients[number], static_cast<uint32_t>(item.number("id"))});
  }
  for (const Found& item : found.list("remembered")) {
    if (item.text("body").size() < sizeof(uint32_t)) continue;
    remembered_.push_back({item.number("at"), item.text("body")});
    remembered_bytes_ += remembered_.back().body.size();
  }
}

void Notices::count_lost(const Message& lost, Message& next) { add_lost(lost.body, next.body); }

}  // namespace nacelle
