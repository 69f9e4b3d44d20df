// What a task tells those who watch: before it tells its listeners, so that whoever begins to watch then hears of nothing that was before.
#include "supervisor.h"
#include "task.h"

namespace nacelle {

void Task::notice(NoticeKind kind, const std::string& body) { supervisor_.notices().tell(kind, key_, body); }

void Task::tell(const Message& message) {
  constexpr size_t kMostLastWords = 16;
  Reader reader(message.body.data(), message.body.size());
  const bool at_end = reader.u8() != 0;
  const Bytes words = reader.bytes();
  if (!reader.ok() || words.size > kMaxWords || !is_kept()) return;
  if (!at_end) return notice(NoticeKind::kTold, {words.data, words.size});
  if (state() != TaskState::kEnded && last_words_.size() < kMostLastWords) last_words_.emplace_back(words.data, words.size);
}

void Task::notice_start(bool running) {
  const bool is_new = !told_started_;
  told_started_ = true;
  if (is_kept() && is_new) notice(NoticeKind::kCreated);
  if (is_kept() && running) notice(NoticeKind::kStarted);
  if (plan_.words.size > 0 && running) notice(NoticeKind::kProgramStarted, {plan_.words.data, plan_.words.size});
}

// Of a signal that can reach the program.
void Task::notice_kill(int signal) {
  if (!is_kept() || state() >= TaskState::kEnding) return;
  std::string body;
  Writer(body).u32(static_cast<uint32_t>(signal));
  notice(NoticeKind::kKilled, body);
}

void Task::notice_health() {
  constexpr const char* kWords[] = {"starting", "healthy", "unhealthy"};
  const char* const word = kWords[static_cast<size_t>(health_.status())];
  if (is_kept()) notice(NoticeKind::kTold, std::string(R"({"type":"health_status","status":")") + word + "\"}");
}

void Task::notice_program_end() {
  if (plan_.words.size == 0 || !told_started_) return;
  const std::vector<Report> none;
  const End whole = end();
  const Message end = end_event({whole.failure, whole.undo_failures, whole.run_failures, whole.never_began, whole.status, whole.cause,
                                 whole.times, whole.usage, none, none, whole.lost, whole.violation});
  std::string body;
  Writer(body).bytes(plan_.words.data, plan_.words.size).bytes(end.body.data(), static_cast<uint32_t>(end.body.size()));
  notice(NoticeKind::kProgramEnded, body);
}

}  // namespace nacelle
