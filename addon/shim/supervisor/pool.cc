#include "pool.h"

#include <fcntl.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "client.h"
#include "events.h"
#include "supervisor.h"
#include "task.h"

namespace nacelle {
namespace {

constexpr uint32_t kMost = 1024;
// How long another one waits after a program was started, in ns: a program that ends sooner is told of first.
constexpr uint64_t kPause = 3 * kMillisecond;
// The same after one was taken: its program may have to wait for links to networks first.
constexpr uint64_t kStartPause = 20 * kMillisecond;
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

Message failed_event(const StepFailure& failure) {
  const std::vector<StepFailure> no_failures;
  const struct rusage usage {};
  const std::vector<Report> reports;
  const std::vector<PumpFailure> lost;
  const Violation violation;
  return end_event({&failure, no_failures, no_failures, true, 0, Cause::kNone, {}, usage, reports, reports, lost, violation});
}

}  // namespace

Pool::~Pool() {
  for (const auto& entry : tasks_) entry.first->when_pooled({});
}

void Pool::start(Message& message, std::vector<unique_fd> ahead) {
  Reader reader(message.body.data(), message.body.size());
  wanted_ = std::min(reader.u32(), kMost);
  const int kept = read_part(message, reader, std::move(ahead), first_);
  if (kept < 0) return fail({kInPlan, 0, -kept, "keep the plan"});
  const std::string& name = first_.name;
  const std::string_view body(first_.body.data(), first_.body.size());
  for (size_t at = 0; !name.empty() && (at = body.find(name, at)) != std::string_view::npos; at += name.size()) name_at_.push_back(at);
  fill();
}

void Pool::add(Message& message, std::vector<unique_fd> ahead) {
  Reader reader(message.body.data(), message.body.size());
  parts_.emplace_back();
  const int kept = read_part(message, reader, std::move(ahead), parts_.back());
  if (kept < 0 || is_closing_) {
    // of one that was cut not even the name may be there
    if (kept < 0) fail({kInPlan, 0, -kept, "keep the plan"});
    // whoever has sent it lets go what it was to have
    tell_spent(parts_.back().name, false);
    parts_.pop_back();
  } else if (!next_.running()) {
    // Node sends more when a run has ended: the next run is not held up by this one
    begin_after_run(0);
  }
}

// What is left of the message: a name, and the first part of a plan with its descriptors. 0 or -errno.
int Pool::read_part(Message& message, Reader& reader, std::vector<unique_fd> ahead, Part& part) {
  part.name = reader.str().text;
  std::string body(reader.position(), reader.left());
  part.fds = std::move(ahead);
  for (unique_fd& fd : message.fds) part.fds.push_back(std::move(fd));
  const bool is_whole = reader.ok() && part.name.empty() == body.empty();
  const int kept = message.cut ? -EMFILE : !is_whole ? -EPROTO : body.empty() ? 0 : part.body.take(body);
  explicit_bzero(message.body.data(), message.body.size());
  return kept;
}

void Pool::fail(const StepFailure& failure) {
  has_failed_ = true;
  tell(failed_event(failure));
}

void Pool::tell_spent(const std::string& name, bool has_begun, const StepFailure* failure, const std::vector<StepFailure>& undo_failures) {
  tell(spent_event(name, has_begun, failure, undo_failures));
}

void Pool::fill(const Message& message) {
  Reader reader(message.body.data(), message.body.size());
  const uint32_t wanted = reader.u32();
  if (reader.ok()) wanted_ = std::min(wanted, kMost);
  fill();
}

void Pool::fill() {
  has_failed_ = false;
  begin_later(0);
}

size_t Pool::count(Place place) const {
  return static_cast<size_t>(std::count_if(tasks_.begin(), tasks_.end(), [place](const auto& item) { return item.second.place == place; }));
}

void Pool::begin_later(uint64_t pause_ns) {
  if (is_closing_ || has_failed_ || untaken() >= wanted_) return;
  const uint64_t at = monotonic_ns() + pause_ns;
  if (!next_.running() || next_.at() > at) next_.start(supervisor_.loop(), at, [this] { begin(); });
}

// A run has begun, or has ended.
void Pool::begin_after_run(uint64_t pause_ns) {
  // the timer is that of whoever waits for the mounts then
  if (is_closing_) return;
  if (count(Place::kWaits) <= std::max(wanted_ / kFew, 1U)) return begin_later(pause_ns);
  next_.stop();
  begin_later(kQuiet);
}

// One at a time, so that whatever else has come to the loop is done between two.
void Pool::begin() {
  if (is_closing_ || has_failed_ || untaken() >= wanted_) return;
  std::string name;
  Message message;
  if (!next_part(name, message)) return;
  if (name.empty()) return fail({kInPlan, 0, EIO, "make up a name"});
  begin_task(name, message);
  begin_later(0);
}

// The first part of the next one, with its name. False where there is none.
bool Pool::next_part(std::string& name, Message& message) {
  if (!first_.name.empty()) return renamed_copy(name, message), true;
  if (parts_.empty()) return false;
  Part& next = parts_.front();
  name = next.name;
  message.body.assign(next.body.data(), next.body.size());
  message.fds = std::move(next.fds);
  parts_.pop_front();
  return true;
}

void Pool::renamed_copy(std::string& name, Message& message) const {
  name = another(first_.name.size());
  message.body.assign(first_.body.data(), first_.body.size());
  for (const size_t at : name_at_) message.body.replace(at, name.size(), name);
  for (const unique_fd& fd : first_.fds) {
    message.fds.emplace_back(fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
    message.cut = message.cut || !message.fds.back();
  }
}

void Pool::begin_task(const std::string& name, Message& message) {
  const uint32_t number = client_.next_number();
  Task* const task = supervisor_.new_task({&client_, number});
  client_.know(number, task);
  tasks_[task] = {Place::kBegun, name};
  task->when_pooled({[this, task, number] { waits(*task, number); }, [this, task] { taken(*task); }, [this] { started(); },
                     [this, task](const Task&) { ended(*task); }});
  task->start(message, {}, false);
}

void Pool::waits(Task& task, uint32_t number) {
  Made& made = tasks_[&task];
  made.place = Place::kWaits;
  Message message;
  message.type = static_cast<uint16_t>(Event::kReady);
  Writer(message.body).u32(number).str(made.name.c_str());
  tell(std::move(message));
}

void Pool::taken(Task& task) {
  tasks_[&task].place = Place::kTaken;
  begin_after_run(kStartPause);
  tell_when_closed();
}

void Pool::started() { begin_after_run(kPause); }

void Pool::ended(Task& task) {
  const auto found = tasks_.find(&task);
  if (found == tasks_.end()) return;
  const auto [place, name] = std::move(found->second);
  tasks_.erase(found);
  if (place != Place::kTaken) {
    // not at once again, which would have no end
    has_failed_ = has_failed_ || !is_closing_;
    const StepFailure unknown{kInClone, 0, ECHILD, "the process was killed"};
    const StepFailure* const failure = task.failure() == nullptr ? &unknown : task.failure();
    // also of one that has died while it waited: whoever waits until all do would wait for ever
    tell_spent(name, true, is_closing_ ? nullptr : failure, task.undo_failures());
  }
  place == Place::kTaken ? begin_after_run(0) : begin_later(0);
  tell_when_closed();
}

void Pool::close() {
  is_closing_ = true;
  next_.stop();
  for (const Part& part : parts_) tell_spent(part.name, false);
  parts_.clear();
  std::vector<Task*> waiting;
  for (const auto& [task, made] : tasks_) {
    if (made.place != Place::kTaken) waiting.push_back(task);
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
  tell(removed_event({}));
  client_.forget_pool(id_);
}

}  // namespace nacelle
