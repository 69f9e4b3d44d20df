#pragma once

#include <vector>

#include "../wire/saved.h"
#include "host_steps.h"
#include "run.h"

// The structures of a task as values by name.
namespace nacelle {

Saved saved_run(const Saved& parent, const Run& run);
// False when what was found can't be used.
bool find_run(const Found& found, Run& run);

void add_failures(Saved& to, const char* name, const std::vector<StepFailure>& failures);
std::vector<StepFailure> find_failures(const Found& found, const char* name);

void add_reports(Saved& to, const char* name, const std::vector<Report>& reports);
std::vector<Report> find_reports(const Found& found, const char* name);

}  // namespace nacelle
