#include "events.h"

#include <sys/wait.h>

#include <cerrno>

#include "../kernel/syscalls.h"

namespace nacelle {
namespace {

Message event(Event type) {
  Message message;
  message.type = static_cast<uint16_t>(type);
  return message;
}

void write_failure(Writer& writer, const StepFailure& failure) {
  writer.i32(failure.where).u32(failure.index).i32(failure.error).str(failure.text.c_str());
}

void write_failures(Writer& writer, const std::vector<StepFailure>& failures) {
  writer.u32(static_cast<uint32_t>(failures.size()));
  for (const StepFailure& failure : failures) write_failure(writer, failure);
}

// Writes the outputs, then the slots whose descriptors go with the message. They are duplicates, since the task may need its own; false
// when one can't be made.
bool write_results(Message& message, const Results& results) {
  Writer writer(message.body);
  writer.u32(results.output_count);
  message.body += results.outputs;
  std::vector<int32_t> sent;
  for (const int32_t slot : results.returns) {
    if (results.slots.get(slot) < 0) continue;
    unique_fd copy(fcntl(results.slots.get(slot), F_DUPFD_CLOEXEC, 3));
    if (!copy) return false;
    message.fds.push_back(std::move(copy));
    sent.push_back(slot);
  }
  writer.u32(static_cast<uint32_t>(sent.size()));
  for (const int32_t slot : sent) writer.i32(slot);
  return true;
}

void write_reports(Writer& writer, const std::vector<Report>& reports) {
  writer.u32(static_cast<uint32_t>(reports.size()));
  for (const Report& report : reports) {
    writer.u8(report.whole ? 1 : 0);
    writer.bytes(report.content.data(), report.content.size());
  }
}

uint64_t microseconds(const timeval& time) { return static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_usec); }

}  // namespace

int started_event(bool running, pid_t pid, const Times& times, const Results* results, Message& message) {
  message = event(results == nullptr ? Event::kRunning : Event::kStarted);
  Writer(message.body).u8(running ? 1 : 0).num(static_cast<uint64_t>(pid)).num(times.started_ns).num(times.started_real_ns);
  return results == nullptr || write_results(message, *results) ? 0 : -EMFILE;
}

Message called_event(uint32_t sequence) {
  Message message = event(Event::kCalled);
  Writer(message.body).u32(sequence).u8(0).u32(0).u32(0);
  return message;
}

int called_event(uint32_t sequence, const Results& results, Message& message) {
  message = event(Event::kCalled);
  Writer(message.body).u32(sequence).u8(0);
  return write_results(message, results) ? 0 : -EMFILE;
}

Message refused_event(uint32_t sequence, const StepFailure& failure) {
  Message message = event(Event::kCalled);
  Writer writer(message.body);
  writer.u32(sequence).u8(1);
  write_failure(writer, failure);
  return message;
}

Message traced_event(const Trace& trace) {
  Message message = event(Event::kTraced);
  Writer writer(message.body);
  trace.write(writer);
  return message;
}

Message removed_event(const std::vector<StepFailure>& failures) {
  Message message = event(Event::kRemoved);
  Writer writer(message.body);
  write_failures(writer, failures);
  return message;
}

Message spent_event(const std::string& name, bool has_begun, const StepFailure* failure, const std::vector<StepFailure>& undo_failures) {
  Message message = event(Event::kSpent);
  Writer writer(message.body);
  writer.str(name.c_str()).u8(has_begun ? 1 : 0).u8(failure != nullptr ? 1 : 0);
  if (failure != nullptr) write_failure(writer, *failure);
  write_failures(writer, undo_failures);
  return message;
}

Message undone_event(const std::vector<StepFailure>& failures) {
  Message message = removed_event(failures);
  message.type = static_cast<uint16_t>(Event::kUndone);
  return message;
}

Message attached_event(TaskState state, pid_t pid, const Times& times) {
  Message message = event(Event::kAttached);
  Writer writer(message.body);
  writer.u8(0).u8(static_cast<uint8_t>(state)).num(static_cast<uint64_t>(pid)).num(times.started_ns).num(times.started_real_ns);
  return message;
}

Message not_attached_event() {
  Message message = event(Event::kAttached);
  Writer(message.body).u8(1);
  return message;
}

Message upgraded_event(int error, const char* why) {
  Message message = event(Event::kUpgraded);
  Writer(message.body).u32(static_cast<uint32_t>(error)).str(why);
  return message;
}

Message denied_event(const std::string& denial) {
  Message message = event(Event::kDenied);
  message.body = denial;
  return message;
}

Message refused_event(const egress::Refusal& refusal) {
  Message message = event(Event::kRefused);
  Writer(message.body)
      .u32(refusal.port)
      .num(refusal.lost)
      .num(realtime_ns())
      .bytes(refusal.address.data(), refusal.address.size())
      .bytes(refusal.host.data(), refusal.host.size());
  return message;
}

Message end_event(const End& end) {
  Message message = event(end.never_began ? Event::kFailed : Event::kEnded);
  Writer writer(message.body);
  writer.u8(end.failure != nullptr ? 1 : 0);
  if (end.failure != nullptr) write_failure(writer, *end.failure);
  writer.u32(static_cast<uint32_t>(end.undo_failures.size() + end.run_failures.size()));
  for (const StepFailure& failure : end.undo_failures) write_failure(writer, failure);
  for (const StepFailure& failure : end.run_failures) write_failure(writer, failure);
  if (end.never_began) return message;
  const bool signalled = WIFSIGNALED(end.status);
  writer.u8(signalled ? 1 : 0);
  writer.u32(static_cast<uint32_t>(signalled ? WTERMSIG(end.status) : WEXITSTATUS(end.status)));
  writer.u8(static_cast<uint8_t>(end.cause)).num(end.times.started_real_ns).num(end.times.started_ns).num(end.times.ended_ns);
  writer.num(microseconds(end.usage.ru_utime)).num(microseconds(end.usage.ru_stime));
  writer.num(static_cast<uint64_t>(end.usage.ru_maxrss) * 1024);
  writer.num(static_cast<uint64_t>(end.usage.ru_nvcsw)).num(static_cast<uint64_t>(end.usage.ru_nivcsw));
  write_reports(writer, end.reports);
  write_reports(writer, end.before);
  writer.u32(static_cast<uint32_t>(end.lost.size()));
  for (const PumpFailure& failure : end.lost) writer.u32(failure.copy).u8(failure.while_reading ? 1 : 0).i32(failure.error);
  writer.u8(end.violation.has_happened ? 1 : 0).u32(end.violation.arch).i32(end.violation.call);
  return message;
}

Message over_event(const End& end) {
  Message message = end_event(end);
  message.type = static_cast<uint16_t>(Event::kOver);
  return message;
}

Message died_event(const End& end, uint64_t delay_ns) {
  Message message = end_event(end);
  message.type = static_cast<uint16_t>(Event::kDied);
  Writer(message.body).num(delay_ns);
  return message;
}

}  // namespace nacelle
