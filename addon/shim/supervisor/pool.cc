#include "pool.h"

#include <fcntl.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "client.h"
#include "events.h"
#include "supervisor.h"
#include "task.h"

namespace nacelle {
namespace {

constexpr uint32_t kMost = 1024;
// How long another one waits after one was taken, in ns: a program that ends sooner is told of first.
constexpr uint64_t kPause = 3 * kMillisecond;
// While more than this part of them waits, and more than one, others are begun once no run has begun or ended for so long, in ns: to begin
// one keeps the shim for longer than a run needs of it.
constexpr uint32_t kFew = 4;
constexpr uint64_t kQuiet = 8 * kMillisecond;

// Another name of that length, in hexadecimal digits; '' when there is none.
std::string another(size_t length) {
  std::string bytes((length + 1) / 2, '\0'), name;
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return {};
  for (const char byte : bytes) {
    for (const int half : {byte >> 4 & 15, byte & 15}) name += "0123456789abcdef"[half];
  }
  name.resize(length);
  return name;
}

Message failed_event(const StepFailure& failure, const std::vector<StepFailure>& undo_failures) {
  const std::vector<StepFailure> no_failures;
  const struct rusage usage {};
  const std::vector<Report> reports;
  const std::vector<PumpFailure> lost;
  const Violation violation;
  return end_event({&failure, undo_failures, no_failures, true, 0, Cause::kNone, {}, usage, reports, reports, lost, violation});
}

}  // namespace

Pool::~Pool() {
  for (const auto& entry : tasks_) entry.first->when_pooled({}, {}, {});
}

void Pool::start(Message& message, std::vector<unique_fd> ahead) {
  Reader reader(message.body.data(), message.body.size());
  wanted_ = std::min(reader.u32(), kMost);
  name_ = reader.str().text;
  std::string first(reader.position(), reader.left());
  for (size_t at = 0; !name_.empty() && (at = first.find(name_, at)) != std::string::npos; at += name_.size()) name_at_.push_back(at);
  fds_ = std::move(ahead);
  for (unique_fd& fd : message.fds) fds_.push_back(std::move(fd));
  const int kept = message.cut ? -EMFILE : !reader.ok() || name_.empty() ? -EPROTO : first_.take(first);
  explicit_bzero(message.body.data(), message.body.size());
  if (kept == 0) return fill();
  fail({kInPlan, 0, -kept, "keep the plan"});
}

void Pool::fail(const StepFailure& failure) {
  has_failed_ = true;
  tell(failed_event(failure, {}));
}

void Pool::fill() {
  if (first_.size() == 0) return;
  has_failed_ = false;
  begin_later(0);
}

size_t Pool::count(Place place) const {
  return static_cast<size_t>(std::count_if(tasks_.begin(), tasks_.end(), [place](const auto& item) { return item.second == place; }));
}

void Pool::begin_later(uint64_t pause_ns) {
  if (is_closing_ || has_failed_ || untaken() >= wanted_) return;
  const uint64_t at = monotonic_ns() + pause_ns;
  if (!next_.running() || next_.at() > at) next_.start(supervisor_.loop(), at, [this] { begin(); });
}

// A run has begun, or has ended.
void Pool::begin_after_run(uint64_t pause_ns) {
  if (count(Place::kWaits) <= std::max(wanted_ / kFew, 1U)) return begin_later(pause_ns);
  next_.stop();
  begin_later(kQuiet);
}

// One at a time, so that whatever else has come to the loop is done between two.
void Pool::begin() {
  if (is_closing_ || has_failed_ || untaken() >= wanted_) return;
  const std::string name = another(name_.size());
  if (name.empty()) return fail({kInPlan, 0, EIO, "make up a name"});
  const uint32_t number = client_.next_number();
  Message message;
  message.body.assign(first_.data(), first_.size());
  for (const size_t at : name_at_) message.body.replace(at, name.size(), name);
  for (const unique_fd& fd : fds_) {
    message.fds.emplace_back(fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
    message.cut = message.cut || !message.fds.back();
  }
  Task* const task = supervisor_.new_task({&client_, number});
  client_.know(number, task);
  tasks_[task] = Place::kBegun;
  task->when_pooled([this, task, number, name] { waits(*task, number, name); }, [this, task] { taken(*task); },
                    [this, task](const Task&) { ended(*task); });
  task->start(message, {}, false);
  begin_later(0);
}

void Pool::waits(Task& task, uint32_t number, const std::string& name) {
  tasks_[&task] = Place::kWaits;
  Message message;
  message.type = static_cast<uint16_t>(Event::kReady);
  Writer(message.body).u32(number).str(name.c_str());
  tell(std::move(message));
}

void Pool::taken(Task& task) {
  tasks_[&task] = Place::kTaken;
  begin_after_run(kPause);
  tell_when_closed();
}

void Pool::ended(Task& task) {
  const auto found = tasks_.find(&task);
  if (found == tasks_.end()) return;
  const Place place = found->second;
  tasks_.erase(found);
  if (place != Place::kTaken) {
    // not at once again, which would have no end
    has_failed_ = has_failed_ || !is_closing_;
    const StepFailure unknown{kInClone, 0, ECHILD, "the process was killed"};
    if (is_closing_) {
      undo_failures_.insert(undo_failures_.end(), task.undo_failures().begin(), task.undo_failures().end());
    } else if (place == Place::kBegun) {
      tell(failed_event(task.failure() == nullptr ? unknown : *task.failure(), task.undo_failures()));
    }
  }
  place == Place::kTaken ? begin_after_run(0) : begin_later(0);
  tell_when_closed();
}

void Pool::close() {
  is_closing_ = true;
  next_.stop();
  std::vector<Task*> waiting;
  for (const auto& [task, place] : tasks_) {
    if (place != Place::kTaken) waiting.push_back(task);
  }
  for (Task* task : waiting) task->close();
  tell_when_closed();
}

void Pool::release() {
  if (is_released_) return;
  is_released_ = true;
  mounts_ = supervisor_.closers().given();
  deadline_ns_ = monotonic_ns() + kDeathPatience;
  tell_when_closed();
}

bool Pool::are_mounts_gone() const { return supervisor_.closers().have_closed(mounts_) || monotonic_ns() >= deadline_ns_; }

void Pool::tell(Message message) {
  message.id = id_;
  client_.send(std::move(message));
}

void Pool::tell_when_closed() {
  if (!is_closing_ || !is_released_ || is_told_ || untaken() > 0) return;
  if (!are_mounts_gone()) return next_.start(supervisor_.loop(), monotonic_ns() + kMillisecond, [this] { tell_when_closed(); });
  is_told_ = true;
  tell(removed_event(undo_failures_));
  client_.forget_pool(id_);
}

}  // namespace nacelle
