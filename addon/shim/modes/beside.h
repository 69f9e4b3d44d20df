#pragma once

#include <sys/types.h>

#include <cstddef>

#include "../kernel/unique_fd.h"

// How the shim's file is executed in a mode that works beside a program (pump.h, log.h, denials.h).
namespace nacelle {

// The most descriptors beside the socket to the shim, which is descriptor 0; the others follow in their order.
constexpr size_t kMostBeside = 6;

// Starts such a process as a child of the caller, which goes on once the process has executed the file. Its pid, or -errno; `control` is
// the caller's end of the socket. The process is in the network namespace ns; -1: in the caller's.
pid_t start_beside(int executable, const int* fds, size_t count, const char* const* argv, unique_fd& control, int ns = -1);

// Runs in a fork, so it makes nothing but system calls. Gives the errno of its failure.
int execute_beside(int executable, int control, const int* fds, size_t count, const char* const* argv);

}  // namespace nacelle
