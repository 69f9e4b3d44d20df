#include <sys/epoll.h>

#include <algorithm>

#include "../steps/shim_table.h"
#include "../wire/saved.h"
#include "saved_run.h"
#include "supervisor.h"
#include "task.h"

// The part of Task that passes it on to the shim which takes over.
namespace nacelle {
namespace {

// The states of a task that may be saved, by the numbers under which they travel.
constexpr uint64_t kSavedParked = 1, kSavedRunning = 2, kSavedBetween = 3, kSavedHolding = 4, kSavedKept = 5;

}  // namespace

// Whether nothing is under way: such a moment comes soon, but for a tree that does not die.
bool Task::is_settled() const {
  if (has_failed_ || is_closing_ || is_removing_ || when_ended_ || retry_.running() || !calls_.empty() || !health_.is_settled())
    return false;
  switch (state_) {
    case State::kParked:
    case State::kRunning:
      return !run_.has_exit;
    case State::kBetween:
      return next_run_.running();
    case State::kHolding:
    case State::kKept:
      return true;
    default:
      return false;
  }
}

void Task::save(Saved& to, const std::function<uint64_t(const Client&)>& number_of) const {
  constexpr auto number_of_state = [](State state) {
    switch (state) {
      case State::kParked:
        return kSavedParked;
      case State::kRunning:
        return kSavedRunning;
      case State::kBetween:
        return kSavedBetween;
      case State::kHolding:
        return kSavedHolding;
      default:
        return kSavedKept;
    }
  };
  to.number("key", key_).number("state", number_of_state(state_)).number("told started", told_started_ ? 1 : 0);
  to.text("plan", body_.data(), body_.size()).number("has rest", has_rest_ ? 1 : 0);
  if (has_rest_) to.text("rest", rest_body_.data(), rest_body_.size());
  to.number("first step", first_index_).number("rest stage", rest_stage_).number("prepared", prepared_);
  for (const int32_t slot : given_) to.add("given", to.inner().number("slot", static_cast<uint64_t>(slot)));
  to.number("slots", slots_.size());
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    const int fd = slots_.get(static_cast<int32_t>(slot));
    if (fd >= 0) to.add("descriptors", to.inner().number("slot", slot).fd("fd", fd));
  }
  to.text("outputs", outputs_).number("output count", context_.output_count).number("words alone", context_.words_alone ? 1 : 0);
  for (const auto& [key, steps] : context_.kept.all()) to.add("kept steps", to.inner().number("key", key).text("steps", *steps));
  to.fd("networks", context_.networks.ns.get()).fd("networks' keeper", context_.networks.keeper.get());
  to.fd("channel", channel_.get());
  for (const pid_t pid : processes_) to.add("processes", to.inner().number("pid", static_cast<uint64_t>(pid)));
  Saved pump = to.inner();
  context_.pump.save(pump);
  Saved denials = to.inner();
  denials_.save(denials);
  to.add("pump", pump).add("denials", denials).add("run", saved_run(to, run_));
  Saved clocks = to.inner();
  clocks_.save(clocks);
  to.add("clocks", clocks).number("force kill", force_kill_.at());
  to.number("asked again", is_again_asked_ ? 1 : 0).number("stopped", is_stopped_ ? 1 : 0);
  to.number("restarts", restarts_).number("retries", retries_).number("delay", delay_ns_).number("next run", next_run_.at());
  if (restarts_ > 0) to.add("last run", saved_run(to, last_run_));
  add_reports(to, "before", before_);
  Saved health = to.inner();
  health_.save(health);
  to.add("health", health);
  to.number("end type", end_.type).text("end", end_.body);
  for (const std::string& words : last_words_) to.add("last words", to.inner().text("words", words));
  add_failures(to, "undo failures", undo_failures_);
  add_failures(to, "run failures", run_failures_);
  for (const Listener& listener : listeners_.all()) {
    to.add("listeners", to.inner().number("client", number_of(*listener.client)).number("id", listener.id));
  }
}

// Makes the plan ours, and keeps it.
bool Task::find_plan(const Found& found, const Translation& translation) {
  const auto take = [&](const char* name, Secret& body, Plan& plan) {
    std::string bytes = found.text(name);
    return translation.plan(bytes.data(), bytes.size()) && body.take(bytes) == 0 && parse_plan(body.data(), body.size(), plan);
  };
  has_rest_ = found.number("has rest") != 0;
  if (!take("plan", body_, plan_)) return false;
  if (has_rest_) plan_ = Plan{};
  if (has_rest_ && !take("rest", rest_body_, plan_)) return false;
  if (restarts_ > 0) plan_.stages = plan_.again.stages;
  return true;
}

int Task::find_slots(const Found& found) {
  slots_.reserve(kMaxSlots);
  slots_.resize(std::min<size_t>(found.number("slots"), kMaxSlots));
  for (const Found& item : found.list("given")) given_.push_back(static_cast<int32_t>(item.number("slot")));
  int result = 0;
  for (const Found& item : found.list("descriptors")) {
    const int put = slots_.put(static_cast<int32_t>(item.number("slot")), item.fd("fd"));
    result = std::min(result, put);
  }
  return result;
}

int Task::find(const Found& found, const Translation& translation, const std::vector<Client*>& clients) {
  const auto flag = [&found](const char* name) { return found.number(name) != 0; };
  const auto count = [&found](const char* name) { return static_cast<uint32_t>(found.number(name)); };
  restarts_ = count("restarts");
  if (!find_plan(found, translation)) return -ENOTSUP;
  // what undoes the task, and what starts it again, must be there when its time comes
  const uint64_t state = found.number("state");
  if (state == kSavedKept ? !are_known(plan_.removal) : !is_known(plan_, state == kSavedParked)) return -ENOTSUP;
  for (const Found& item : found.list("kept steps")) {
    std::string steps = item.text("steps");
    if (!translation.list(steps.data(), steps.size()) || !are_known({steps.data(), steps.size()})) return -ENOTSUP;
    context_.kept.put(item.number("key"), {steps.data(), static_cast<uint32_t>(steps.size())});
  }
  int result = find_slots(found);
  if (result < 0) return result;
  told_started_ = flag("told started");
  first_index_ = count("first step");
  rest_stage_ = count("rest stage");
  prepared_ = count("prepared");
  outputs_ = found.text("outputs");
  context_.outputs = &outputs_;
  context_.output_count = count("output count");
  context_.words_alone = flag("words alone");
  context_.networks.ns = found.fd("networks");
  context_.networks.keeper = found.fd("networks' keeper");
  channel_ = found.fd("channel");
  context_.channel = channel_.get();
  for (const Found& item : found.list("run")) result = find_run(item, run_) ? result : -EPROTO;
  for (const Found& item : found.list("last run")) result = find_run(item, last_run_) ? result : -EPROTO;
  context_.process = run_.first_pidfd ? run_.first : 0;
  for (const Found& item : found.list("processes")) {
    const auto pid = static_cast<pid_t>(item.number("pid"));
    processes_.insert(pid);
    supervisor_.watch_process(pid, this);
  }
  for (const Found& item : found.list("pump")) context_.pump.find(item);
  for (const Found& item : found.list("denials")) denials_.find(item);
  for (const Found& item : found.list("health")) health_.find(item);
  is_again_asked_ = flag("asked again");
  is_stopped_ = flag("stopped");
  retries_ = count("retries");
  delay_ns_ = found.number("delay");
  before_ = find_reports(found, "before");
  end_.type = static_cast<uint16_t>(found.number("end type"));
  end_.body = found.text("end");
  for (const Found& item : found.list("last words")) last_words_.push_back(item.text("words"));
  undo_failures_ = find_failures(found, "undo failures");
  run_failures_ = find_failures(found, "run failures");
  for (const Found& item : found.list("listeners")) {
    const uint64_t number = item.number("client");
    if (number >= clients.size()) return -EPROTO;
    const Listener listener{clients[number], static_cast<uint32_t>(item.number("id"))};
    listeners_.add(listener);
    listener.client->know(listener.id, this);
  }
  return result < 0 ? result : go_on(found);
}

// Waits for all that the shim before has waited for.
int Task::go_on(const Found& found) {
  Loop& loop = supervisor_.loop();
  switch (found.number("state")) {
    case kSavedParked:
      state_ = State::kParked;
      break;
    case kSavedRunning:
      state_ = State::kRunning;
      break;
    case kSavedBetween:
      state_ = State::kBetween;
      if (found.number("next run") == 0) return -EPROTO;
      next_run_.start(loop, found.number("next run"), [this] { run_again(); });
      break;
    case kSavedHolding:
      state_ = State::kHolding;
      break;
    case kSavedKept:
      state_ = State::kKept;
      break;
    default:
      return -EPROTO;
  }
  if (channel_) {
    const int result = channel_watch_.start(loop, channel_.get(), EPOLLIN, [this](uint32_t) { read_channel(); });
    if (result < 0) return result;
  }
  is_watched_ = run_.first_pidfd && is_to_be_watched(run_.stage);
  watch_pump();
  watch_denials();
  if (found.number("force kill") != 0) force_kill_.start(loop, found.number("force kill"), [this] { signal_tree(); });
  for (const Found& item : found.list("clocks")) clocks_.find(item, loop, plan_, slots_, [this](Cause cause) { end_by_clock(cause); });
  if (state_ == State::kRunning && plan_.has_health)
    health_.go_on(plan_.health, slots_, run_.first_pidfd.get(), [this] { health_changed(); });
  return found.are_whole() ? 0 : -EPROTO;
}

}  // namespace nacelle
