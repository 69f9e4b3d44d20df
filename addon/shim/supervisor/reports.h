#pragma once

#include <string>
#include <vector>

#include "../kernel/unique_fd.h"
#include "../steps/context.h"
#include "../wire/plan.h"

namespace nacelle {

// What a file of the plan's `reports` held at the end.
struct Report {
  bool whole = false;  // the file could be read to its end
  std::string content;
};

// Opens the files before they are to be read, which takes longer than to read them. What can't be opened is opened when it is read.
std::vector<unique_fd> open_reports(const List<FileAt>& files, const Slots& slots);

// `opened`: by `open_reports`, or none.
std::vector<Report> read_reports(const List<FileAt>& files, const Slots& slots, std::vector<unique_fd> opened = {});

}  // namespace nacelle
