#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "../kernel/unique_fd.h"

// pasta(1), a program of the host's: it carries what a network namespace sends by sockets of its own, for which it needs no rights over the
// host's network. It confines itself.
namespace nacelle {

// What pasta prints goes to a pipe, and so does the file with its number ('/proc/self/fd/1'), which it writes when the network is there.
constexpr int kPastaNamespace = 0;  // its descriptor with the network namespace; newer versions of pasta close those above 2

// Starts pasta as a child of the caller, in the user namespace that owns the network namespace, as its root. It dies with the caller. What
// can't be done before it runs is printed too. Its pid, or -errno; `said`: the end of the pipe where it is read.
pid_t start_pasta(const std::string& path, const std::vector<std::string>& arguments, int network, unique_fd& said);

// What pasta has printed so far.
struct PastaWords {
  bool is_ready = false;
  std::string words;  // its lines in one, without those that say nothing of the network
};
PastaWords read_pasta(const std::string& printed);

}  // namespace nacelle
