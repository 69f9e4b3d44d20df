#include "saved_run.h"

#include <cstring>

namespace nacelle {

void add_reports(Saved& to, const char* name, const std::vector<Report>& reports) {
  for (const Report& report : reports) to.add(name, to.inner().number("whole", report.whole ? 1 : 0).text("content", report.content));
}

std::vector<Report> find_reports(const Found& found, const char* name) {
  std::vector<Report> reports;
  for (const Found& item : found.list(name)) reports.push_back({item.number("whole") != 0, item.text("content")});
  return reports;
}

void add_failures(Saved& to, const char* name, const std::vector<StepFailure>& failures) {
  for (const StepFailure& failure : failures) {
    Saved item = to.inner();
    item.number("where", static_cast<uint32_t>(failure.where)).number("index", failure.index);
    to.add(name, item.number("error", static_cast<uint32_t>(failure.error)).text("text", failure.text));
  }
}

std::vector<StepFailure> find_failures(const Found& found, const char* name) {
  std::vector<StepFailure> failures;
  for (const Found& item : found.list(name)) {
    const auto number = [&item](const char* field) { return static_cast<uint32_t>(item.number(field)); };
    failures.push_back({static_cast<int32_t>(number("where")), number("index"), static_cast<int>(number("error")), item.text("text")});
  }
  return failures;
}

Saved saved_run(const Saved& parent, const Run& run) {
  Saved saved = parent.inner();
  saved.number("pid", static_cast<uint64_t>(run.first)).fd("pidfd", run.first_pidfd.get());
  saved.number("stage", run.stage).number("heard", run.heard_index);
  saved.number("executing", run.executing ? 1 : 0).number("cause", static_cast<uint64_t>(run.cause));
  saved.number("has exit", run.has_exit ? 1 : 0).number("program told", run.program_told ? 1 : 0);
  saved.number("blamed after told", run.blamed_after_told ? 1 : 0).number("status", static_cast<uint32_t>(run.program_status));
  saved.number("started", run.times.started_ns).number("started, real", run.times.started_real_ns).number("ended", run.times.ended_ns);
  saved.text("usage", reinterpret_cast<const char*>(&run.usage), sizeof run.usage);
  for (const Violation& violation : {run.violation, run.violation_below}) {
    Saved item = saved.inner();
    item.number("has happened", violation.has_happened ? 1 : 0).number("arch", violation.arch);
    saved.add("violations", item.number("call", static_cast<uint32_t>(violation.call)));
  }
  add_reports(saved, "reports", run.reports);
  return saved;
}

bool find_run(const Found& found, Run& run) {
  const std::string usage = found.text("usage");
  const uint64_t cause = found.number("cause");
  // a cause of the future is still a kill
  run.cause = cause > static_cast<uint64_t>(Cause::kHealth) ? Cause::kCaller : static_cast<Cause>(cause);
  run.first = static_cast<pid_t>(found.number("pid"));
  run.first_pidfd = found.fd("pidfd");
  run.stage = static_cast<uint32_t>(found.number("stage"));
  run.heard_index = static_cast<uint32_t>(found.number("heard"));
  run.executing = found.number("executing") != 0;
  run.has_exit = found.number("has exit") != 0;
  run.program_told = found.number("program told") != 0;
  run.blamed_after_told = found.number("blamed after told") != 0;
  run.program_status = static_cast<int>(static_cast<uint32_t>(found.number("status")));
  run.times = {found.number("started"), found.number("started, real"), found.number("ended")};
  if (usage.size() == sizeof run.usage) std::memcpy(&run.usage, usage.data(), sizeof run.usage);
  Violation* violation = &run.violation;
  for (const Found& item : found.list("violations")) {
    *violation = {item.number("has happened") != 0, static_cast<uint32_t>(item.number("arch")),
                  static_cast<int32_t>(static_cast<uint32_t>(item.number("call")))};
    violation = &run.violation_below;
  }
  run.reports = find_reports(found, "reports");
  return usage.size() == sizeof run.usage;
}

}  // namespace nacelle
