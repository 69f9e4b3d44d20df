#pragma once

// The shim's file in its init mode: process 1 inside a container. It has only the descriptors and the tasks that are named here.
namespace nacelle {

// The name under which init is executed: argv[0].
constexpr char kReaperName[] = "nacelle-init";

// Init's descriptors, when it has a program: the channel to the shim; a pipe whose end of file says that the program was executed, or died
// before; a pipe by which init lets the program go on.
constexpr int kReaperChannel = 0, kReaperStarted = 1, kReaperReady = 2;

// `program` is the pid of init's child. Init waits for it, passes signals on to it, and reports its exact end to the shim; all signals are
// blocked by then. When init ends, the kernel ends the rest of its pid namespace. With nullptr, init holds its namespaces until it is
// killed. In both cases it reaps the orphans that come to it.
[[noreturn]] void reaper_main(const char* program);

}  // namespace nacelle
