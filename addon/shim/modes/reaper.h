#pragma once

// The shim's file in its init mode: process 1 inside a container. It has nothing but what is said here.
namespace nacelle {

// The name under which it is executed: argv[0].
constexpr char kReaperName[] = "nacelle-init";

// Its descriptors, when it has a program: the channel to the shim; a pipe whose end of file says that the program was
// executed, or died before; a pipe on which it lets the program go.
constexpr int kReaperChannel = 0, kReaperStarted = 1, kReaperReady = 2;

// `program`: the pid of its child, which it waits for, to which it passes signals on, and of whose exact end it tells
// the shim; all signals are blocked by then. When it ends, the kernel ends the rest of its pid namespace. nullptr: it
// holds its namespaces until it is killed. Either reaps whatever is left to it.
[[noreturn]] void reaper_main(const char* program);

}  // namespace nacelle
