#include "reports.h"

#include "../kernel/syscalls.h"

namespace nacelle {

std::vector<unique_fd> open_reports(const List<FileAt>& files, const Slots& slots) {
  std::vector<unique_fd> opened;
  for (const FileAt& file : files) opened.emplace_back(openat(slots.get(file.at), file.path.text, O_RDONLY | O_CLOEXEC));
  return opened;
}

std::vector<Report> read_reports(const List<FileAt>& files, const Slots& slots, std::vector<unique_fd> opened) {
  std::vector<Report> reports;
  for (const FileAt& file : files) {
    Report report;
    const size_t place = reports.size();
    const bool is_open = place < opened.size() && opened[place];
    const unique_fd fd(is_open ? opened[place].release() : openat(slots.get(file.at), file.path.text, O_RDONLY | O_CLOEXEC));
    char buffer[8192];
    ssize_t size = -1;
    // A file of a group gives all that it has at once: what is shorter than the room for it is the end.
    do {
      size = fd ? read(fd.get(), buffer, sizeof buffer) : -1;
      if (size > 0) report.content.append(buffer, static_cast<size_t>(size));
    } while (size == sizeof buffer);
    report.whole = size >= 0;
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace nacelle
