#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

// What the modes that copy a program's output have in common: a read, and the copy after the program's end.
namespace nacelle {

// As read(2), until no signal interrupts it.
inline ssize_t read_some(int fd, char* data, size_t size) {
  ssize_t count;
  do {
    count = read(fd, data, size);
  } while (count < 0 && errno == EINTR);
  return count;
}

// The most that a terminal holds and FIONREAD does not count, with some room: it tells the bytes of the line discipline, not those under
// way to it.
constexpr size_t kMostUnderWay = 64 * 1024;

// The program has ended. Another process may still hold the source open and write on, so only what is in it now is copied, and little more.
// `take(most)` copies some of it, and returns how many bytes, or 0 when there are none.
template <typename Take>
void copy_the_rest(int source, Take take) {
  int counted = 0;
  if (ioctl(source, FIONREAD, &counted) < 0) return;
  for (size_t most = std::max(static_cast<size_t>(counted), kMostUnderWay); most > 0;) {
    const size_t done = take(most);
    if (done == 0) return;
    most -= done;
  }
}

}  // namespace nacelle
