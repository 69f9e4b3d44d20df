#include "client.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "../wire/saved.h"
#include "supervisor.h"
#include "task.h"

namespace nacelle {
namespace {

constexpr size_t kMostUnasked = 256;

// Whether the kernel has no room for a message now, of which it has kept nothing. ETOOMANYREFS: an ordinary user has too many descriptors
// on their way (unix(7)).
bool lacks_room(int result) { return result == -ENOMEM || result == -ENOBUFS || result == -ETOOMANYREFS; }

// Whether a message tells of a next run, or of the health, of a task: there is no end of them, and nobody asked.
bool is_unasked(const Message& message) {
  const auto type = static_cast<Event>(message.type);
  return type == Event::kDied || type == Event::kHealth;
}

constexpr size_t kSequenceSize = sizeof(uint32_t);  // that a kCall begins with

bool is_known_plan(const std::string& body) {
  Plan plan;
  return parse_plan(body.data(), body.size(), plan) && is_known(plan, true);
}

}  // namespace

Client::Client(Supervisor& supervisor, unique_fd socket)
    : supervisor_(supervisor), socket_(std::move(socket)), generation_(supervisor.generation()) {}

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
  if (pool(message, fds)) return;
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
    case Request::kPool:
    case Request::kPart:
    case Request::kHello:
    case Request::kList:
    case Request::kAttach:
    case Request::kWatch:
    case Request::kSpeak:
    case Request::kUpgrade:
      return;
  }
}

bool Client::pool(Message& message, std::vector<unique_fd>& ahead) {
  const auto type = static_cast<Request>(message.type);
  const auto found = pools_.find(message.id);
  if (type == Request::kPool && found == pools_.end()) {
    Pool& made = *(pools_[message.id] = std::make_unique<Pool>(supervisor_, *this, message.id));
    return made.start(message, std::move(ahead)), true;
  }
  if (found == pools_.end()) return false;
  if (type == Request::kPart) found->second->add(message, std::move(ahead));
  if (type == Request::kGo) found->second->fill(message);
  if (type == Request::kClose) found->second->close();
  if (type == Request::kRelease) found->second->release();
  return true;
}

void Client::forget_pool(uint32_t id) {
  const auto found = pools_.find(id);
  if (found == pools_.end()) return;
  // the pool itself has called
  std::shared_ptr<Pool> over = std::move(found->second);
  pools_.erase(found);
  supervisor_.loop().later([over] {});
}

bool Client::introduce(Message& message) {
  Message reply;
  reply.id = message.id;
  Writer writer(reply.body);
  switch (static_cast<Request>(message.type)) {
    case Request::kHello:
      reply.type = static_cast<uint16_t>(Event::kWelcome);
      writer.u32(kPlanVersion).u32(kPlanVersion).str(supervisor_.owner().c_str()).str(kOwnVersion);
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
      // the table of a shim between the two is known no more
      if (!speaks(Reader(message.body.data(), message.body.size()).u32())) close();
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

bool Client::speaks(uint32_t generation) {
  // the answer to hello came just before another shim took over: the client goes on with the table that it has learned
  if (generation == generation_) return true;
  if (generation != supervisor_.generation()) return false;
  table_.clear();
  generation_ = generation;
  return true;
}

// A message that can't be read, or a plan of which something could not be undone, becomes one that those refuse who get it.
void Client::translate(Message& message) const {
  if (table_.empty()) return;
  switch (static_cast<Request>(message.type)) {
    case Request::kStart:
    case Request::kStartLater:
    case Request::kRest:
      if (!translation_.plan(message.body.data(), message.body.size()) || !is_known_plan(message.body)) {
        explicit_bzero(message.body.data(), message.body.size());
        message.body.assign(1, '\0');
      }
      return;
    case Request::kCall:
      if (!translation_.call(message.body.data(), message.body.size())) {
        explicit_bzero(message.body.data() + kSequenceSize, message.body.size() - std::min(message.body.size(), kSequenceSize));
        message.body.resize(kSequenceSize);
      }
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

// Of calls that a filter has refused, a client that does not read hears later how many it has missed: each begins with such a number.
bool Client::counts_in(Message& message) {
  if (unsent_.size() >= kMostUnasked) return ++lost_denials_, false;
  uint32_t lost = 0;
  if (message.body.size() < sizeof lost) return false;
  std::memcpy(&lost, message.body.data(), sizeof lost);
  lost += lost_denials_;
  lost_denials_ = 0;
  std::memcpy(message.body.data(), &lost, sizeof lost);
  return true;
}

void Client::send(Message message) {
  if (closed_) return;
  if (static_cast<Event>(message.type) == Event::kDenied && !counts_in(message)) return;
  // A client that does not read would be owed ever more of them. One whose tasks would end with it is not given up.
  if (unsent_.size() >= kMostUnasked && is_unasked(message) && supervisor_.serves_others()) return give_up();
  const bool was_empty = unsent_.empty();
  send_ahead(message);
  unsent_.push_back(std::move(message));
  if (was_empty) flush();
}

// Descriptors past what one message carries go before the message.
void Client::send_ahead(Message& message) {
  constexpr size_t kMost = kMaxDescriptors - 1;  // a long body is a descriptor too
  while (message.fds.size() > kMost) {
    Message ahead;
    ahead.type = static_cast<uint16_t>(Event::kAhead);
    ahead.id = message.id;
    const auto end = message.fds.begin() + kMost;
    std::move(message.fds.begin(), end, std::back_inserter(ahead.fds));
    message.fds.erase(message.fds.begin(), end);
    unsent_.push_back(std::move(ahead));
  }
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
  constexpr int kMostTries = 100;
  constexpr uint64_t kPause = 10 * kMillisecond;
  while (!unsent_.empty()) {
    const int result = nacelle::send(socket_.get(), unsent_.front());
    if (result == -EAGAIN) return hear_of_room(true);
    if (lacks_room(result) && tries_++ < kMostTries) {
      hear_of_room(false);
      again_.start(supervisor_.loop(), monotonic_ns() + kPause, [this] { flush(); });
      return;
    }
    // Node would wait for ever for a message that got lost, so any other failure ends the connection
    if (result < 0) return give_up();
    tries_ = 0;
    unsent_.pop_front();
  }
  hear_of_room(false);
}

// Whether the loop tells when the socket takes a message again.
void Client::hear_of_room(bool wanted) {
  if (wanted == hears_of_room_) return;
  watch_.change(wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
  hears_of_room_ = wanted;
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
  again_.stop();
  socket_.reset();
  supervisor_.notices().forget(*this);
  supervisor_.upgrade().forget(*this);
  pools_.clear();
  std::vector<Task*> tasks;
  for (const auto& entry : tasks_) tasks.push_back(entry.second);
  tasks_.clear();
  for (Task* task : tasks) task->leave(*this);
  supervisor_.remove(this);
}

bool Client::is_settled() const {
  return ahead_.empty() && pools_.empty() &&
         std::all_of(unsent_.begin(), unsent_.end(), [](const Message& message) { return message.fds.empty(); });
}

void Client::save(Saved& to) const {
  to.fd("socket", socket_.get()).number("generation", generation_);
  if (!table_.empty()) to.text("table", table_);
  for (const Message& message : unsent_) {
    Saved item = to.inner();
    to.add("unsent", item.number("type", message.type).number("id", message.id).text("body", message.body));
  }
}

int Client::find(const Found& found, const std::string& table, uint32_t generation) {
  generation_ = static_cast<uint32_t>(found.number("generation", generation));
  table_ = found.text("table");
  if (table_.empty()) table_ = table;
  translation_.read(table_);
  if (table_ == kOwnTable) table_.clear();
  for (const Found& item : found.list("unsent")) {
    Message message;
    message.type = static_cast<uint16_t>(item.number("type"));
    message.id = static_cast<uint32_t>(item.number("id"));
    message.body = item.text("body");
    unsent_.push_back(std::move(message));
  }
  hears_of_room_ = !unsent_.empty();
  return watch_.start(supervisor_.loop(), socket_.get(), hears_of_room_ ? EPOLLIN | EPOLLOUT : EPOLLIN,
                      [this](uint32_t events) { ready(events); });
}

}  // namespace nacelle
