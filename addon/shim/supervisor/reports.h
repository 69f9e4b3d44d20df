#pragma once

#include <string>
#include <vector>

#include "../steps/context.h"
#include "../wire/plan.h"

namespace nacelle {

// What a file of the plan's `reports` held at the end.
struct Report {
  bool whole = false;  // the file could be read to its end
  std::string content;
};

std::vector<Report> read_reports(const List<FileAt>& files, const Slots& slots);

}  // namespace nacelle
